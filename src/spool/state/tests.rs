//! The state machine and its readers, walked through in every order of events.

use super::*;
use std::collections::HashSet;

const POLICY: Policy = Policy { finish: 50 };
/// Half of what is held back, so that every relation to it occurs.
const STEP: u64 = HELD / 2;

/// A whole little world: a fill of a blob of known content, and readers who have read so far.
#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    state: State,
    /// The size of what upstream really sends.
    real: u64,
    /// Does it have the digest?
    right: bool,
    /// Where each reader is, and whether he was told that this was the end.
    readers: Vec<Reader>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Reader {
    At(u64),
    Complete(u64),
    Failed,
    Left,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Answer { told: bool },
    Write,
    Finish,
    Lose(Loss),
    Abandon,
    Join,
    Leave(usize),
    Read(usize),
}

fn events(world: &World) -> Vec<Event> {
    use Event::*;
    let mut events = vec![Answer { told: true }, Answer { told: false }, Write, Finish];
    events.extend([Loss::Refused, Loss::Upstream, Loss::Disk, Loss::Rotten].map(Lose));
    events.push(Abandon);
    if world.readers.len() < 2 {
        events.push(Join);
    }
    events.extend((0..world.readers.len()).flat_map(|at| [Leave(at), Read(at)]));
    events
}

/// What happens to `world` with `event`; `None` when nothing does.
fn after(world: &World, event: Event) -> Option<World> {
    let mut next = world.clone();
    match event {
        Event::Answer { told } => next.state.answered(told.then_some(world.real)),
        Event::Write if world.state.written < world.real => next.state.wrote(STEP),
        Event::Write => return None,
        // The writer does this at the end of the content only.
        Event::Finish if world.state.written == world.real => match world.right {
            true => next.state.verified(),
            false => next.state.lost(Loss::Wrong),
        },
        Event::Finish => return None,
        Event::Lose(loss) => next.state.lost(loss),
        Event::Abandon => {
            next.state.abandon();
            let read = world.readers.iter().any(|reader| *reader != Reader::Left);
            match read || world.state.is_verified() || world.state.loss().is_some() {
                true => assert!(next.state == world.state, "somebody reads, or it is too late"),
                false => assert_eq!(next.state.loss(), Some(Loss::Abandoned)),
            }
        }
        Event::Join => match next.state.join() {
            true => next.readers.push(Reader::At(0)),
            false => return None,
        },
        Event::Leave(reader) => match world.readers[reader] {
            Reader::Left => return None,
            _ => {
                next.readers[reader] = Reader::Left;
                next.state.leave(POLICY);
            }
        },
        Event::Read(reader) => match world.readers[reader] {
            Reader::At(at) => {
                next.readers[reader] = match world.state.sight(at) {
                    Sight::Wait => return None,
                    Sight::UpTo(end) => {
                        assert!(at < end && end <= world.state.written, "only what is there is read");
                        Reader::At(at + STEP.min(end - at))
                    }
                    Sight::End => Reader::Complete(at),
                    Sight::Lost(_) => Reader::Failed,
                }
            }
            _ => return None,
        },
    }
    (next != *world).then_some(next)
}

fn check(world: &World) {
    let state = &world.state;
    for reader in &world.readers {
        match *reader {
            Reader::At(at) if at == world.real && world.real > 0 => {
                assert!(world.right, "the last byte of a wrong blob was read");
            }
            Reader::At(at) => {
                let kept = Stage::Lost(Loss::Disk) == state.stage || Stage::Lost(Loss::Rotten) == state.stage;
                let verified = (kept || state.is_verified()) && world.right;
                assert!(verified || at + HELD <= world.real || at == 0, "the end is held back");
            }
            Reader::Complete(at) => assert!(world.right && at == world.real, "complete is right and whole"),
            Reader::Failed => assert!(state.loss().is_some()),
            Reader::Left => {}
        }
    }
    let present = world.readers.iter().filter(|reader| !matches!(reader, Reader::Left)).count();
    assert_eq!(state.readers(), present);
    if state.loss() == Some(Loss::Abandoned) {
        assert_eq!(present, 0, "nobody is abandoned");
    }
    if state.stage == Stage::Verified {
        assert!(world.right && state.written == world.real);
    }
}

/// Walks through every world that can come of `start`; how many there are.
fn explore(start: World) -> usize {
    let (mut seen, mut open) = (HashSet::new(), vec![start]);
    while let Some(world) = open.pop() {
        if !seen.insert(world.clone()) {
            continue;
        }
        check(&world);
        let was = world.state.loss();
        for next in events(&world).into_iter().filter_map(|event| after(&world, event)) {
            assert!(was.is_none() || next.state.loss() == was, "the first loss stands");
            open.push(next);
        }
    }
    seen.len()
}

#[test]
fn no_order_of_events_shows_a_wrong_blob_as_a_whole_one() {
    let mut worlds = 0;
    for steps in 0..6 {
        for right in [true, false] {
            let world =
                World { state: State::asked(), real: steps * STEP, right, readers: vec![Reader::At(0)] };
            worlds += explore(world);
        }
    }
    assert!(worlds > 1000, "{worlds}");
}

#[test]
fn every_wait_ends() {
    // From every state without a loss a reader gets on by the writer's next steps alone.
    for steps in 0..6 {
        let mut state = State::asked();
        state.answered(Some(steps * STEP));
        let mut at = 0;
        for _ in 0..steps {
            state.wrote(STEP);
            if let Sight::UpTo(end) = state.sight(at) {
                at = end;
            }
        }
        state.verified();
        if let Sight::UpTo(end) = state.sight(at) {
            at = end;
        }
        assert_eq!((state.sight(at), at), (Sight::End, steps * STEP));
    }
}

#[test]
fn the_last_to_leave_decides() {
    let filled = |written: u64, total| {
        let mut state = State::asked();
        state.answered(total);
        state.wrote(written);
        state.leave(POLICY);
        state.loss()
    };
    let large = SMALL * 4;
    assert_eq!(filled(large / 2 - 1, Some(large)), Some(Loss::Abandoned));
    assert_eq!(filled(large / 2, Some(large)), None);
    assert_eq!(filled(0, Some(SMALL)), None);
    assert_eq!(filled(large, None), Some(Loss::Abandoned));
    let mut two = State::asked();
    assert!(two.join());
    two.leave(POLICY);
    assert_eq!((two.loss(), two.readers()), (None, 1));
    two.leave(POLICY);
    assert_eq!(two.loss(), Some(Loss::Abandoned));
    assert!(!two.join());
}

#[test]
fn a_verified_blob_is_lost_with_the_disk_only() {
    let mut state = State::asked();
    state.answered(None);
    state.wrote(5);
    state.verified();
    state.lost(Loss::Upstream);
    assert_eq!((state.sight(0), state.sight(5), state.total()), (Sight::UpTo(5), Sight::End, Some(5)));
    state.lost(Loss::Disk);
    assert_eq!(state.sight(0), Sight::Lost(Loss::Disk));
}
