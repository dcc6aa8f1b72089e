//! The rules of a port, in time that the tests set.

use std::net::Ipv4Addr;

use tokio::time::sleep_until;

use super::*;

const PERIOD: Duration = Duration::from_millis(10);
const BEGIN: usize = 3;
const PLACES: usize = 20;
const KEPT: usize = 4;
const MEMBER_PLACES: usize = 3;
const WAITING: usize = 20;

fn from(machine: u8) -> Whence {
    Whence::Machine(Ipv4Addr::new(127, 0, 0, machine).into())
}

fn calls(when_full: WhenFull) -> Calls<u32> {
    Calls::new(CallLimits {
        under_way_max: PLACES,
        kept: KEPT,
        member_max: MEMBER_PLACES,
        unproved_max: usize::MAX,
        when_full,
    })
}

fn waiting() -> Calls<u32> {
    calls(WhenFull::Wait { waiting_max: WAITING, begin_max: usize::MAX, period: PERIOD })
}

fn paced() -> Calls<u32> {
    calls(WhenFull::Wait { waiting_max: usize::MAX, begin_max: BEGIN, period: PERIOD })
}

fn begin_all(calls: &mut Calls<u32>) -> Vec<u32> {
    std::iter::from_fn(|| calls.begin(Instant::now())).map(|(_, call)| call).collect()
}

#[test]
fn one_machine_alone_has_half_of_what_is_not_kept_and_a_second_one_finds_places() {
    let mut calls = waiting();
    for call in 0..PLACES as u32 {
        assert_eq!(calls.on_call(from(1), true, call), None);
    }
    assert_eq!(begin_all(&mut calls).len(), (PLACES - KEPT) / 2);
    assert_eq!(calls.due(Instant::now()), None, "none that waits has a place");
    for call in 100..102 {
        assert_eq!(calls.on_call(from(2), true, call), None);
    }
    assert_eq!(begin_all(&mut calls), [100, 101]);
    // Of what it gives back, it takes as much as leaves the same to others.
    calls.on_end(from(1));
    calls.on_end(from(1));
    assert_eq!(begin_all(&mut calls).len(), 1);
}

/// The claim in full: beside as many as places are kept, whoever holds none finds one.
#[test]
fn whoever_holds_no_place_finds_one_beside_strangers_that_take_all_they_get() {
    for strangers in 1..=KEPT as u8 {
        let mut calls = calls(WhenFull::Refuse);
        for stranger in 1..=strangers {
            while calls.on_call(from(stranger), true, 0).is_none() {
                assert!(calls.begin(Instant::now()).is_some());
            }
        }
        assert_eq!(calls.on_call(from(200), true, 7), None, "beside {strangers} strangers");
        assert_eq!(begin_all(&mut calls), [7], "beside {strangers} strangers");
    }
}

#[test]
fn a_member_finds_a_place_beside_any_number_of_strangers_and_whoever_writes_its_address() {
    let mut calls = calls(WhenFull::Refuse);
    calls.limits.unproved_max = 0;
    for stranger in 0..200 {
        if calls.on_call(from(stranger), true, 0).is_none() {
            assert!(calls.begin(Instant::now()).is_some());
        }
    }
    let member = Whence::Member(SocketAddr::from((Ipv4Addr::LOCALHOST, 7000)));
    assert_eq!(calls.on_call(member, false, 1), Some(Turned::Prove(1)));
    for call in 0..MEMBER_PLACES as u32 {
        assert_eq!(calls.on_call(member, true, call), None);
        assert_eq!(begin_all(&mut calls), [call]);
    }
    assert!(matches!(calls.on_call(member, true, 9), Some(Turned::Refused(9, _))), "a bound");
    calls.on_end(member);
    assert_eq!(calls.on_call(member, true, 10), None);
}

#[test]
fn the_address_of_a_member_is_proved_as_soon_as_somebody_calls_from_there() {
    let mut calls = calls(WhenFull::Refuse);
    let member = Whence::Member(SocketAddr::from((Ipv4Addr::LOCALHOST, 7000)));
    assert_eq!(calls.on_call(member, false, 1), None);
    assert_eq!(begin_all(&mut calls), [1]);
    assert_eq!(calls.on_call(member, false, 2), Some(Turned::Prove(2)));
    assert_eq!(calls.on_call(member, true, 3), None);
    assert_eq!(calls.on_call(from(1), false, 4), None, "little is under way");
}

#[test]
fn those_that_wait_take_turns_by_address() {
    let mut calls = waiting();
    for call in 0..6 {
        calls.on_call(from(1), true, call);
    }
    for call in 100..102 {
        calls.on_call(from(2), true, call);
    }
    assert_eq!(begin_all(&mut calls), [0, 100, 1, 101, 2, 3, 4, 5]);
}

#[test]
fn where_too_many_wait_the_latest_is_let_go_from_where_most_do() {
    let mut calls = waiting();
    for call in 0..WAITING as u32 - 1 {
        assert_eq!(calls.on_call(from(1), true, call), None);
    }
    assert_eq!(calls.on_call(from(2), true, 100), None);
    let last = WAITING as u32 - 2;
    assert_eq!(calls.on_call(from(2), true, 101), Some(Turned::LetGo(last)));
    assert_eq!(calls.on_call(from(1), true, 50), Some(Turned::LetGo(50)));
    assert_eq!(begin_all(&mut calls)[..4], [0, 100, 1, 101]);
}

/// Each from a machine of its own, as in a storm: those that have waited longest are served, and a
/// caller that comes when too many wait does not push the next one out.
#[test]
fn where_all_wait_alike_the_one_whose_turn_is_next_is_not_let_go() {
    let mut calls = waiting();
    for call in 0..WAITING as u8 {
        assert_eq!(calls.on_call(from(call), true, call.into()), None);
    }
    for call in 100..110 {
        assert_eq!(calls.on_call(from(call), true, call.into()), Some(Turned::LetGo(call.into())));
    }
    assert_eq!(calls.begin(Instant::now()), Some((from(0), 0)));
    // One more from everywhere: of two that wait in each place the second goes, the last one first.
    let mut calls = waiting();
    for call in 0..WAITING as u32 {
        assert_eq!(calls.on_call(from(call as u8 % 10), true, call), None);
    }
    assert_eq!(calls.on_call(from(100), true, 100), Some(Turned::LetGo(19)));
    assert_eq!(calls.on_call(from(101), true, 101), Some(Turned::LetGo(18)));
    assert_eq!(begin_all(&mut calls)[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_port_that_lets_nobody_wait_refuses_who_has_no_place_and_says_why() {
    let mut calls = calls(WhenFull::Refuse);
    for call in 0..(PLACES - KEPT) as u32 / 2 {
        assert_eq!(calls.on_call(from(1), true, call), None);
        assert!(calls.begin(Instant::now()).is_some());
    }
    let Some(Turned::Refused(9, text)) = calls.on_call(from(1), true, 9) else {
        panic!("it has half of the places");
    };
    assert_eq!(text, "8 handshakes are under way, 8 of them from there");
}

#[test]
fn while_much_is_under_way_or_waits_an_address_is_proved_first() {
    let mut calls = waiting();
    calls.limits.unproved_max = 3;
    for call in 0..3 {
        assert_eq!(calls.on_call(from(1), false, call), None);
    }
    assert_eq!(calls.on_call(from(2), false, 3), Some(Turned::Prove(3)), "three wait");
    assert_eq!(begin_all(&mut calls).len(), 3);
    assert_eq!(calls.on_call(from(2), false, 3), Some(Turned::Prove(3)), "three are under way");
    assert_eq!(calls.on_call(from(2), true, 3), None);
}

#[test]
fn a_machine_is_told_apart_by_its_network_and_a_member_by_its_very_address() {
    let address = |text: &str| text.parse::<SocketAddr>().expect("it is an address");
    let whence = |text: &str| Whence::of(address(text), |at| *at == address("10.0.0.1:7000"));
    assert_eq!(whence("10.0.0.1:7000"), Whence::Member(address("10.0.0.1:7000")));
    assert_eq!(whence("10.0.0.1:7001"), whence("10.0.0.1:7002"));
    assert_ne!(whence("10.0.0.1:7001"), whence("10.0.0.1:7000"));
    assert_ne!(whence("10.0.0.1:7001"), whence("10.0.0.2:7001"));
    assert_eq!(whence("[2001:db8:1:2::3]:1"), whence("[2001:db8:1:2:ffff::]:2"));
    assert_ne!(whence("[2001:db8:1:2::3]:1"), whence("[2001:db8:1:3::3]:1"));
    assert_eq!(whence("[::ffff:10.0.0.1]:1"), whence("10.0.0.1:1"));
}

/// Begins handshakes as soon as they may, but not before the moments at which callers come.
async fn begin(callers: impl IntoIterator<Item = Duration>) -> Vec<Duration> {
    let (mut calls, start) = (paced(), Instant::now());
    let mut begun = Vec::new();
    for caller in callers {
        sleep_until(start + caller).await;
        assert_eq!(calls.on_call(from(1), true, 0), None);
        while let Some(due) = calls.due(Instant::now()) {
            sleep_until(due).await;
            let (from, _) = calls.begin(Instant::now()).expect("it is due");
            begun.push(start.elapsed());
            calls.on_end(from);
        }
    }
    begun
}

fn assert_paced(begun: &[Duration]) {
    let mut more = begun.windows(BEGIN + 1);
    assert!(more.all(|more| more[BEGIN] - more[0] >= PERIOD), "{begun:?}");
}

#[tokio::test(start_paused = true)]
async fn a_storm_begins_no_faster_than_it_may_and_no_slower() {
    let begun = begin([Duration::ZERO; 30]).await;
    assert_paced(&begun);
    assert_eq!(begun[29], 9 * PERIOD);
}

/// One caller and a storm that comes late in his period: there is no end of a period at which
/// twice as many begin.
#[tokio::test(start_paused = true)]
async fn no_time_as_long_as_a_period_begins_more_than_it_may() {
    for late in 0..=20 {
        let storm = [Duration::from_millis(late); 12];
        assert_paced(&begin([Duration::ZERO].into_iter().chain(storm)).await);
    }
}

/// Time that nobody used is not saved up for a storm.
#[tokio::test(start_paused = true)]
async fn a_quiet_hour_allows_no_more_in_the_next_period() {
    let hour = Duration::from_secs(3600);
    let begun = begin([Duration::ZERO; 2].into_iter().chain([hour; 9])).await;
    assert_paced(&begun);
    assert_eq!(begun[2..5], [hour; BEGIN]);
}
