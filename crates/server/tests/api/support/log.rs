//! The log of a server in this process. It is caught on the thread of the test, whose runtime has only this one.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tracing::subscriber::DefaultGuard;

/// What is logged from its start to its end.
pub(crate) struct Captured {
    written: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

impl Captured {
    pub(crate) fn start() -> Captured {
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&written);
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || Writer(Arc::clone(&writer)))
            .finish();
        Captured { written, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        let written = self.written.lock().expect("nobody panics while writing");
        let lines = written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("a line of JSON")).collect()
    }

    /// The fields of the first line that is asked for, once it is there.
    pub(crate) async fn wait_for(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..2000 {
            if let Some(line) = self.lines().into_iter().find(|line| is_it(&line["fields"])) {
                return line["fields"].clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never logged: {:#?}", self.lines())
    }
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics while writing").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
