//! Makes a stranger's name harmless (rule F2).

use unicode_normalization::UnicodeNormalization;

/// What is left of a name: its last path component in NFC, without controls, leading dots, trailing dots and blanks.
/// Nothing, if nothing is left.
pub(super) fn clean(name: &str) -> String {
    let component = name.rsplit(['/', '\\']).map(visible).find(|component| !component.is_empty());
    component.unwrap_or_default()
}

fn visible(component: &str) -> String {
    let normal: String = component.chars().filter(|&letter| is_kept(letter)).nfc().collect();
    trim(&normal).to_owned()
}

/// Without leading dots and blanks, and without trailing ones.
pub(super) fn trim(name: &str) -> &str {
    name.trim_matches(|letter: char| letter == '.' || letter.is_whitespace())
}

/// Whether a letter may stand in a name. Joiners may: emoji and Persian need them.
fn is_kept(letter: char) -> bool {
    const BYTE_ORDER_MARK: char = '\u{FEFF}';
    // Unicode's Bidi_Control
    let turns_text =
        matches!(letter, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let breaks_lines = matches!(letter, '\u{2028}' | '\u{2029}');
    !(letter.is_control() || turns_text || breaks_lines || letter == BYTE_ORDER_MARK)
}

/// Whether Windows takes a name for a device, whatever its extension: `con`, `COM1.jpg`, `LPT¹` (Microsoft, "Naming
/// Files, Paths, and Namespaces").
pub(super) fn is_device(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    if matches!(base.as_str(), "con" | "prn" | "aux" | "nul" | "conin$" | "conout$" | "clock$") {
        return true;
    }
    let Some(port) = base.strip_prefix("com").or_else(|| base.strip_prefix("lpt")) else { return false };
    matches!(port, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
}

#[cfg(test)]
mod tests {
    use super::{clean, is_device};

    #[test]
    fn an_honest_name_stays_as_it_is() {
        let family = "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}.jpg";
        let persian = "می\u{200C}خواهم.png";
        for name in [
            "product-demo.mp4",
            "Ünïcode 写真.jpg",
            "Siena v1.2",
            "a+b (1) #2 & c; d.png",
            "90%+of.png",
            family,
            persian,
        ] {
            assert_eq!(clean(name), name);
        }
    }

    #[test]
    fn the_last_component_of_a_path_is_the_name() {
        for (path, name) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\fakepath\\cat.png", "cat.png"),
            ("images/cat.png", "cat.png"),
            ("images/cat.png/", "cat.png"),
            ("..", ""),
            ("/", ""),
            ("../.\\..", ""),
        ] {
            assert_eq!(clean(path), name, "{path}");
        }
    }

    #[test]
    fn names_of_devices_are_known_in_every_dress() {
        for name in ["con", "CON.jpg", "aux.tar.png", "nul .png", "COM1", "com¹.mp4", "LPT³.jpg", "lpt9.x", "Conin$"]
        {
            assert!(is_device(name), "{name}");
        }
        for name in ["icon.png", "console.png", "com.png", "com10.png", "com1x.png", "auxiliary.png", "nulla.jpg"] {
            assert!(!is_device(name), "{name}");
        }
    }
}
