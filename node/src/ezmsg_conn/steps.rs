//! The strings that a listener is sent at each step of the stream: those of ezmsg's `ShMemCircBuff`.

use dora_shm_ring::Description;

/// What the original sends.
pub type Words = Vec<&'static str>;

const RING_GONE: &str = "buffer cleanup";
const HEADER_GONE: &str = "meta cleanup";
const HEADER_MADE: &str = "meta reset";
const BEGUN: [&str; 3] = ["begin update", "meta updated", "buffer reset"];
const DESCRIBED: &str = "aux updated";
/// Only the end of the connection follows it.
pub const CLOSE: &str = "close";

/// The state of the stream, as the listener knows it.
#[derive(Debug, Default)]
pub struct Steps {
    has_ring: bool,
    /// The description in force, without the part that only readers of dora-shm see.
    described: Option<Description>,
}

impl Steps {
    /// The stream has been created, under its first or another name. It has neither ring nor description.
    pub fn opened(&mut self) -> Words {
        *self = Self::default();
        self.so_far()
    }

    /// A generation has begun.
    pub fn begun(&mut self, description: &Description) -> Words {
        let other_axis =
            self.described.as_ref().is_some_and(|before| before.buffered_axis() != description.buffered_axis());
        let mut words = Vec::new();
        if self.has_ring && other_axis {
            words.push(RING_GONE);
        }
        words.extend(BEGUN);
        self.has_ring = true;
        words.extend(self.described(description));
        words
    }

    /// A description is in force. There are no strings if ezmsg's readers cannot distinguish it from the one before.
    pub fn described(&mut self, description: &Description) -> Words {
        let visible = Description { message: None, ..description.clone() };
        if self.described.as_ref() == Some(&visible) {
            return Vec::new();
        }
        self.described = Some(visible);
        vec![DESCRIBED]
    }

    /// The ring will get no more frames, and the next message begins another.
    pub fn ring_ended(&mut self) -> Words {
        self.has_ring = false;
        vec![RING_GONE]
    }

    /// The stream is about to be closed.
    pub fn ending() -> Words {
        vec![RING_GONE, HEADER_GONE]
    }

    /// The shortest sequence by which the original would reach this state, for a listener that connects later.
    pub fn so_far(&self) -> Words {
        let mut words = vec![RING_GONE, HEADER_GONE, HEADER_MADE];
        if self.has_ring {
            words.extend(BEGUN);
        }
        if self.described.is_some() {
            words.push(DESCRIBED);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use dora_shm_ring::Attr;
    use serde_json::json;

    use super::*;

    fn description(axis: &str) -> Description {
        Description { dims: vec![axis.into(), "ch".into()], ..Description::default() }
    }

    fn with_attr(value: i64) -> Description {
        Description { attrs: [("gain".to_owned(), Attr::Integer(value))].into(), ..description("time") }
    }

    #[test]
    fn a_description_is_sent_when_ezmsgs_readers_see_a_difference() {
        let mut steps = Steps::default();
        assert_eq!(steps.opened(), ["buffer cleanup", "meta cleanup", "meta reset"]);
        let all = ["begin update", "meta updated", "buffer reset", "aux updated"];
        assert_eq!(steps.begun(&description("time")), all);
        assert_eq!(steps.described(&description("time")), [""; 0]);
        // A different Arrow type begins a generation, but does not change ezmsg's metadata.
        let ours = Description { message: Some(json!({"arrow": "f64"})), ..description("time") };
        assert_eq!(steps.begun(&ours), all[..3]);
        assert_eq!(steps.described(&with_attr(1)), ["aux updated"]);
        assert_eq!(steps.begun(&with_attr(2)), all);
    }

    #[test]
    fn another_buffered_dimension_ends_the_ring_first_if_there_is_one() {
        let mut steps = Steps::default();
        steps.begun(&description("time"));
        let words = steps.begun(&description("win"));
        assert_eq!(words, ["buffer cleanup", "begin update", "meta updated", "buffer reset", "aux updated"]);
        assert_eq!(steps.ring_ended(), ["buffer cleanup"]);
        assert_eq!(steps.begun(&description("time"))[0], "begin update");
    }

    #[test]
    fn a_late_listener_gets_what_leads_to_the_current_state() {
        let mut steps = Steps::default();
        let opened = steps.opened();
        assert_eq!(steps.so_far(), opened);
        let begun = steps.begun(&description("time"));
        let whole = [&opened[..], &begun].concat();
        assert_eq!(steps.so_far(), whole);
        steps.begun(&with_attr(1));
        steps.described(&with_attr(2));
        assert_eq!(steps.so_far(), whole, "however many generations and descriptions there were");
        steps.ring_ended();
        assert_eq!(steps.so_far(), [&opened[..], &["aux updated"]].concat());
        assert_eq!(steps.opened(), opened, "another name");
        assert_eq!(steps.so_far(), opened);
    }
}
