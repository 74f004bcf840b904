use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;

/// A waiter that a test moves by hand.
struct Waiting {
    account: AccountId,
    future: Pin<Box<dyn Future<Output = Result<Turn, NoTurn>>>>,
}

impl Waiting {
    /// The turn, if it has come.
    fn look(&mut self) -> Option<Result<Turn, NoTurn>> {
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }
}

/// Asks for a turn and looks once: it is there, refused, or waited for.
fn ask(turns: &Turns, account: &AccountId) -> Result<Result<Turn, Waiting>, NoTurn> {
    let (turns, own) = (turns.clone(), account.clone());
    let mut waiting = Waiting { account: account.clone(), future: Box::pin(async move { turns.wait(&own).await }) };
    match waiting.look() {
        Some(Ok(turn)) => Ok(Ok(turn)),
        Some(Err(refused)) => Err(refused),
        None => Ok(Err(waiting)),
    }
}

/// Asks, and expects to have to wait.
fn wait_for(turns: &Turns, account: &AccountId) -> Waiting {
    match ask(turns, account) {
        Ok(Err(waiting)) => waiting,
        Ok(Ok(_)) => panic!("the turn came at once"),
        Err(refused) => panic!("refused: {refused}"),
    }
}

/// Asks, and expects the turn at once.
fn turn_of(turns: &Turns, account: &AccountId) -> Turn {
    match ask(turns, account) {
        Ok(Ok(turn)) => turn,
        Ok(Err(_)) => panic!("had to wait"),
        Err(refused) => panic!("refused: {refused}"),
    }
}

fn accounts<const N: usize>() -> [AccountId; N] {
    std::array::from_fn(|_| AccountId::random())
}

fn turns(running: usize, running_per_account: usize, waiting: usize, waiting_per_account: usize) -> Turns {
    let longest_wait = Duration::from_mins(10);
    Turns::new(TurnSettings { running, running_per_account, waiting, waiting_per_account, longest_wait })
}

#[tokio::test]
async fn a_greedy_account_waits_for_itself() {
    let turns = Turns::new(TurnSettings::default());
    let [greedy, modest] = accounts();

    let mut running = Vec::new();
    let mut waiting = Vec::new();
    let mut refused = 0;
    for _ in 0..10_000 {
        match ask(&turns, &greedy) {
            Ok(Ok(turn)) => running.push(turn),
            Ok(Err(waiter)) => waiting.push(waiter),
            Err(no_turn) => {
                assert_eq!(no_turn, NoTurn::QueueFull);
                refused += 1;
            }
        }
    }

    assert_eq!((running.len(), waiting.len(), refused), (32, 256, 9_712));
    drop(turn_of(&turns, &modest));
}

#[tokio::test]
async fn when_all_places_are_taken_a_newcomer_waits_for_one_round_and_not_for_the_queue() {
    let turns = turns(4, 10, 100, 100);
    let [greedy, modest] = accounts();
    let mut running: Vec<Turn> = (0..4).map(|_| turn_of(&turns, &greedy)).collect();
    let mut ahead: Vec<Waiting> = (0..50).map(|_| wait_for(&turns, &greedy)).collect();
    let mut first_of_modest = wait_for(&turns, &modest);

    drop(running.pop());
    let called = ahead.iter_mut().filter_map(Waiting::look).collect::<Vec<_>>();
    assert_eq!(called.len(), 1, "the account that was there first has its turn");
    drop(running.pop());

    assert!(first_of_modest.look().is_some_and(|outcome| outcome.is_ok()));
}

#[tokio::test]
async fn within_an_account_the_first_to_come_is_the_first_to_go() {
    let turns = turns(1, 1, 10, 10);
    let [account] = accounts();
    let turn = turn_of(&turns, &account);
    let mut waiting: Vec<Waiting> = (0..3).map(|_| wait_for(&turns, &account)).collect();

    drop(turn);
    for position in 0..3 {
        let turn = waiting[0].look().expect("the first is called").unwrap_or_else(|refused| panic!("{refused}"));
        waiting.remove(0);
        assert!(waiting.iter_mut().all(|waiter| waiter.look().is_none()), "after {position}");
        drop(turn);
    }

    assert_eq!(turns.load(), (0, 0));
}

#[tokio::test]
async fn one_who_gives_up_leaves_no_trace() {
    let turns = turns(1, 1, 2, 2);
    let [one, other] = accounts();
    let turn = turn_of(&turns, &one);

    for _ in 0..1_000 {
        drop(wait_for(&turns, &other));
    }
    let mut patient = wait_for(&turns, &other);
    let called_but_gone = wait_for(&turns, &one);
    assert_eq!(turns.queue().circle.len(), 1, "an account stands in the circle once; one at its cap does not");
    drop(turn);
    let turn = patient.look().expect("called").unwrap_or_else(|refused| panic!("{refused}"));
    drop(turn);
    drop(called_but_gone);

    assert_eq!(turns.load(), (0, 0));
    assert!(turns.queue().lanes.is_empty());
    assert!(turns.queue().circle.is_empty());
}

#[tokio::test]
async fn the_whole_queue_is_bounded_too() {
    let turns = turns(1, 1, 3, 2);
    let [one, two, three] = accounts();
    let _running = turn_of(&turns, &one);
    let _waiting = [wait_for(&turns, &two), wait_for(&turns, &two), wait_for(&turns, &one)];

    assert_eq!(ask(&turns, &two).err(), Some(NoTurn::QueueFull), "two of its own wait");
    assert_eq!(ask(&turns, &three).err(), Some(NoTurn::QueueFull), "three wait in all");
    assert!(!turns.queue().lanes.contains_key(&three), "who was refused is not remembered");
}

#[tokio::test]
async fn who_waited_too_long_is_told_that_the_queue_is_full() {
    let settings = TurnSettings { running: 1, longest_wait: Duration::from_millis(20), ..TurnSettings::default() };
    let turns = Turns::new(settings);
    let [account] = accounts();
    let _running = turn_of(&turns, &account);

    let outcome = tokio::time::timeout(Duration::from_secs(10), turns.wait(&account)).await.expect("it gives up");

    assert_eq!(outcome.err(), Some(NoTurn::QueueFull));
    assert_eq!(turns.load(), (1, 0));
}

#[tokio::test]
async fn when_the_server_stops_waiters_are_told_at_once_and_running_ones_go_on() {
    let turns = turns(1, 1, 10, 10);
    let [one, other] = accounts();
    let running = turn_of(&turns, &one);
    let mut waiting = [wait_for(&turns, &one), wait_for(&turns, &other)];

    turns.close();

    for waiter in &mut waiting {
        let outcome = waiter.look().expect("told at once");
        assert_eq!(outcome.err(), Some(NoTurn::ShuttingDown));
    }
    assert_eq!(ask(&turns, &other).err(), Some(NoTurn::ShuttingDown));
    assert_eq!(turns.load(), (1, 0));
    drop(running);
    assert_eq!(turns.load(), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_happens_no_cap_is_passed_and_no_place_stays_empty_while_somebody_waits(
        steps in prop::collection::vec((0..3_u8, 0..4_usize, any::<prop::sample::Index>()), 1..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _context = runtime.enter();
        let settings = TurnSettings { running: 5, running_per_account: 2, waiting: 8, waiting_per_account: 3, ..TurnSettings::default() };
        let turns = Turns::new(settings);
        let names: [AccountId; 4] = accounts();
        let mut running: Vec<Turn> = Vec::new();
        let mut waiting: Vec<Waiting> = Vec::new();
        for (action, account, choice) in steps {
            match action {
                0 => match ask(&turns, &names[account]) {
                    Ok(Ok(turn)) => running.push(turn),
                    Ok(Err(waiter)) => waiting.push(waiter),
                    Err(refused) => {
                        prop_assert_eq!(refused, NoTurn::QueueFull);
                        let own = waiting.iter().filter(|waiter| waiter.account == names[account]).count();
                        prop_assert!(own == 3 || waiting.len() == 8);
                    }
                },
                1 if !running.is_empty() => drop(running.swap_remove(choice.index(running.len()))),
                _ if !waiting.is_empty() => drop(waiting.swap_remove(choice.index(waiting.len()))),
                _ => {}
            }
            let mut position = 0;
            while let Some(waiter) = waiting.get_mut(position) {
                match waiter.look() {
                    Some(outcome) => {
                        running.push(outcome.unwrap_or_else(|refused| panic!("{refused}")));
                        waiting.remove(position);
                    }
                    None => position += 1,
                }
            }

            prop_assert_eq!(turns.load(), (running.len(), waiting.len()));
            prop_assert!(running.len() <= 5);
            let running_of = |account: &AccountId| running.iter().filter(|turn| turn.account == *account).count();
            for name in &names {
                prop_assert!(running_of(name) <= 2);
                let waits = waiting.iter().any(|waiter| waiter.account == *name);
                prop_assert!(!waits || running.len() == 5 || running_of(name) == 2, "somebody waits beside a free place");
            }
        }
    }
}
