//! Lanes that are reset in the middle of a frame: by a newer epoch, and by the end of a link.

use std::time::Duration;

use bytes::Bytes;
use synod_fault::{LinkRules, RateLimit};
use synod_node::world::Surroundings as _;
use synod_shell::{Authority, LINK, Net, PATIENCE, Place, Validity};
use synod_transport_quic::{
    Count, Epoch, Inbox, Incarnation, Lane, PeerConfig, PeerEndpoint, PeerEvent, PeerHandle,
    PeerId, Sent,
};
use tokio::time::{Instant, sleep, timeout};

struct End {
    handle: PeerHandle,
    events: Inbox<PeerEvent>,
}

/// Two peers and a link that carries a megabyte a second from the first to the second.
async fn linked(net: &Net) -> (End, End) {
    let authority = Authority::new();
    let places = [1, 2].map(|number| Place::new(net, number, 1));
    let mut ends = places.clone().map(|place| {
        let own = place.number();
        let other = &places[usize::from(2 - own)];
        let credentials = authority.credentials(&format!("node/{own}"), Validity::default());
        let config = PeerConfig {
            listen: place.at(7001),
            credentials: credentials.dated_by(place.wall()),
            peers: [(PeerId(other.number()), other.at(7001))].into(),
            incarnation: Incarnation(1),
            suspicion: Duration::from_millis(200),
        };
        let held = place.hold(place.at(7001)).unwrap();
        let (handle, events) = PeerEndpoint::bind_on(held, config).unwrap();
        End { handle, events }
    });
    for end in &mut ends {
        let up = next(end).await;
        assert!(matches!(up, PeerEvent::Up { .. }), "{up:?}");
    }
    let rate = Some(RateLimit { bytes_per_s: 1 << 20, queue_bytes: 64 << 10 });
    net.set(1, 2, LinkRules { rate, ..LINK });
    let [one, two] = ends;
    (one, two)
}

async fn next(end: &mut End) -> PeerEvent {
    timeout(PATIENCE, end.events.recv()).await.unwrap().unwrap()
}

fn frame(byte: u8) -> Bytes {
    vec![byte; 3 << 20].into()
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_an_older_epoch_is_cut_in_its_middle_and_nothing_of_it_is_heard() {
    let net = Net::new(9, LINK);
    let (one, mut two) = linked(&net).await;
    assert_eq!(one.handle.send_log(PeerId(2), Epoch(1), frame(1)), Sent::Queued);
    // Half of it is across by then.
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(one.handle.send_log(PeerId(2), Epoch(2), frame(2)), Sent::Queued);
    let PeerEvent::Frame { lane, bytes, .. } = next(&mut two).await else { panic!() };
    assert_eq!(lane, Lane::Log);
    assert!(bytes == frame(2), "a frame of {} bytes, of {}", bytes.len(), bytes[0]);
    // The link is the same one, and no rule was broken.
    assert_eq!(two.handle.counters().count(Count::Violations), 0);
    assert_eq!(two.handle.counters().count(Count::LinksUp), 1);
    assert!(two.events.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_ends_in_the_middle_of_a_frame_leaves_nothing_of_it_to_the_next_one() {
    let net = Net::new(10, LINK);
    let (one, mut two) = linked(&net).await;
    assert_eq!(one.handle.send_bulk(PeerId(2), frame(1)), Sent::Queued);
    sleep(Duration::from_millis(1500)).await;
    net.set_both(1, 2, LinkRules::CUT);
    let down = next(&mut two).await;
    assert!(matches!(down, PeerEvent::Down { .. }), "{down:?}");
    net.set_both(1, 2, LINK);
    let up = next(&mut two).await;
    assert!(matches!(up, PeerEvent::Up { .. }), "{up:?}");
    // The frame that was under way is gone, as its sender was told by the end of the link.
    while !one.handle.is_up(PeerId(2)) {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(one.handle.send_bulk(PeerId(2), frame(2)), Sent::Queued);
    let PeerEvent::Frame { bytes, .. } = next(&mut two).await else { panic!() };
    assert!(bytes == frame(2), "a frame of {} bytes, of {}", bytes.len(), bytes[0]);
    assert_eq!(two.handle.counters().count(Count::Violations), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_passes_long_lanes_on_a_narrow_link() {
    let net = Net::new(11, LINK);
    let (one, mut two) = linked(&net).await;
    for length in [20, 5_000, 60_000, 200_000] {
        // All three lanes wait for room at once, and the two long ones for seconds.
        assert_eq!(one.handle.send_bulk(PeerId(2), frame(2)), Sent::Queued);
        sleep(Duration::from_millis(300)).await;
        assert_eq!(one.handle.send_log(PeerId(2), Epoch(1), frame(1)), Sent::Queued);
        let sent = one.handle.send_control(PeerId(2), vec![3; length].into());
        assert_eq!(sent, Sent::Queued);
        let said = Instant::now();
        while !matches!(next(&mut two).await, PeerEvent::Frame { lane: Lane::Control, .. }) {}
        let took = said.elapsed();
        println!("{length} bytes took {took:?}");
        // Its own bytes at that rate, what stands in the queue of the network, and a little.
        let most = Duration::from_micros(length as u64) + Duration::from_millis(300);
        assert!(took < most, "{length} bytes took {took:?}");
        let mut long = 0;
        while long < 2 {
            long += usize::from(matches!(next(&mut two).await, PeerEvent::Frame { .. }));
        }
    }
}
