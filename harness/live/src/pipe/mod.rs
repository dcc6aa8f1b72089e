//! The pipes that carry TCP: one listening socket each, two sockets a connection.
//!
//! They run on the thread of the relays, see `network`. A connection that a dialer opens to a pipe
//! is opened to the listener behind it, once both directions of the link are open; from then on
//! each direction obeys its own directed link. What user space cannot do: a dialer's connection to
//! the pipe itself is always accepted by the kernel, so one that is refused, or whose listener is
//! gone, is reset at once; and one that is opened while the link is cut stands open and silent.
//! The claim kept true: a dialer and a listener see the end of the other as they would without a
//! pipe, a stream's end as its end and a reset as a reset.

mod direction;
mod front;
mod queue;

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::fabric::{Fabric, LinkIndex};
use super::network::{Ends, complain, lock};
use super::witness::DialedFrom;
pub(crate) use front::Front;

use direction::{Broken, CHUNK_BYTES_MAX, Direction, Unfinished};

/// One pipe, before it runs.
pub(crate) struct Pipe {
    /// Where dialers connect.
    pub(crate) public: StdListener,
    /// Where the listener listens.
    pub(crate) listener: SocketAddr,
    /// The links of the two directions.
    pub(crate) ends: Ends,
    /// From where the tracers' connection comes, and where theirs are listened for.
    pub(crate) ports: (DialedFrom, SocketAddr),
}

/// What all pipes share.
struct Carrier {
    fabric: Arc<Mutex<Fabric>>,
    /// Changes whenever a rule does.
    changes: watch::Receiver<u64>,
    /// What is read goes here first; no read outlasts a turn.
    scratch: RefCell<Box<[u8]>>,
    /// A place for each connection.
    places: Arc<Semaphore>,
    start: Instant,
}

/// Starts the pipes on the local set that runs this.
pub(crate) fn start(
    fabric: &Arc<Mutex<Fabric>>,
    changes: &watch::Receiver<u64>,
    pipes: Vec<Pipe>,
    fronts: Vec<Front>,
) -> io::Result<()> {
    let carrier = Rc::new(Carrier {
        fabric: Arc::clone(fabric),
        changes: changes.clone(),
        scratch: RefCell::new(vec![0; CHUNK_BYTES_MAX].into_boxed_slice()),
        places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        start: lock(fabric).start().into(),
    });
    for Pipe { public, listener, ends, ports } in pipes {
        let public = TcpListener::from_std(public)?;
        tokio::task::spawn_local(accept(Rc::clone(&carrier), public, (listener, ends), ports));
    }
    for front in fronts {
        let public = TcpListener::from_std(front.public.try_clone()?)?;
        tokio::task::spawn_local(front::accept(Rc::clone(&carrier), public, Rc::new(front)));
    }
    Ok(())
}

async fn accept(
    carrier: Rc<Carrier>,
    public: TcpListener,
    (listener, ends): (SocketAddr, Ends),
    (near, far): (DialedFrom, SocketAddr),
) {
    loop {
        // The place comes before the connection: who finds none waits in the kernel's queue.
        let Ok(place) = Arc::clone(&carrier.places).acquire_owned().await else { return };
        match public.accept().await {
            Ok((dialer, from)) => {
                let carrier = Rc::clone(&carrier);
                let is_tracer = near.is(from);
                let (listener, ends) =
                    if is_tracer { (far, ends.of_tracers()) } else { (listener, ends) };
                tokio::task::spawn_local(async move {
                    connect(carrier, dialer, listener, ends).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, as a rule; connections that end give some back.
                complain("a pipe cannot accept", &error);
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// Opens the other half of a connection and carries both directions to their end.
async fn connect(carrier: Rc<Carrier>, dialer: TcpStream, listener: SocketAddr, ends: Ends) {
    if !wait_until_open(&carrier, &dialer, ends).await {
        return reset(&dialer);
    }
    // It is asked only once the link is open: across a cut not even a refusal comes back.
    if refused(&carrier, ends.there) {
        return reset(&dialer);
    }
    let Ok(upstream) = TcpStream::connect(listener).await else {
        lock(&carrier.fabric).streams(ends.there).1.unanswered += 1;
        return reset(&dialer);
    };
    lock(&carrier.fabric).streams(ends.there).1.connections += 1;
    for stream in [&dialer, &upstream] {
        // Only delays would be off without it.
        drop(stream.set_nodelay(true));
    }
    carry(carrier, Rc::new(dialer), Rc::new(upstream), ends).await;
}

async fn carry(carrier: Rc<Carrier>, dialer: Rc<TcpStream>, upstream: Rc<TcpStream>, ends: Ends) {
    let (dialer_broken, upstream_broken) = (Rc::<Broken>::default(), Rc::<Broken>::default());
    let unfinished = Rc::new(Unfinished::both());
    let there = Direction {
        carrier: Rc::clone(&carrier),
        link: ends.there,
        from: Rc::clone(&dialer),
        to: Rc::clone(&upstream),
        from_broken: Rc::clone(&dialer_broken),
        to_broken: Rc::clone(&upstream_broken),
        unfinished: Rc::clone(&unfinished),
    };
    let back = Direction {
        carrier,
        link: ends.back,
        from: Rc::clone(&upstream),
        to: Rc::clone(&dialer),
        from_broken: upstream_broken,
        to_broken: dialer_broken,
        unfinished: Rc::clone(&unfinished),
    };
    tokio::select! {
        () = there.carry() => {}
        () = back.carry() => {}
        () = unfinished.none.notified() => return,
    }
    reset(&dialer);
    reset(&upstream);
}

/// Waits until neither direction is cut. Returns false if the dialer did not wait so long.
async fn wait_until_open(carrier: &Carrier, dialer: &TcpStream, ends: Ends) -> bool {
    let mut changes = carrier.changes.clone();
    changes.borrow_and_update();
    // It is marked as seen before the look at the rules, so that a change right behind that look
    // still wakes.
    if !is_cut(carrier, ends) {
        return true;
    }
    lock(&carrier.fabric).streams(ends.there).1.held_connections += 1;
    while is_cut(carrier, ends) {
        tokio::select! {
            _ = changes.changed() => {}
            () = given_up(dialer) => return false,
        }
    }
    !is_given_up(dialer).await
}

fn is_cut(carrier: &Carrier, ends: Ends) -> bool {
    let mut fabric = lock(&carrier.fabric);
    [ends.there, ends.back].into_iter().any(|index| fabric.streams(index).0.is_cut())
}

fn refused(carrier: &Carrier, there: LinkIndex) -> bool {
    let mut fabric = lock(&carrier.fabric);
    let (link, counts) = fabric.streams(there);
    let refused = link.refuses();
    counts.refused += u64::from(refused);
    refused
}

/// Waits until the dialer closes its side, whatever it sent before.
async fn given_up(dialer: &TcpStream) {
    while !is_given_up(dialer).await {
        // Bytes that nobody has read keep the socket ready, so waiting for it to become ready would
        // spin.
        tokio::time::sleep(GIVEN_UP_STEP).await;
    }
}

/// Returns whether the dialer has closed its side, without waiting for anything.
async fn is_given_up(dialer: &TcpStream) -> bool {
    tokio::select! {
        biased;
        ready = dialer.ready(Interest::READABLE) => ready.is_ok_and(|ready| ready.is_read_closed()),
        () = std::future::ready(()) => false,
    }
}

/// Lets a connection end with a reset when it is closed, which follows.
fn reset(stream: &TcpStream) {
    // A socket that does not take it ends in peace, which its peer tells apart only by a word.
    let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

/// Connections that the pipes of a run carry at most; more wait to be accepted.
const CONNECTIONS_MAX: usize = 2_048;

const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How often it is looked whether a dialer still waits.
const GIVEN_UP_STEP: Duration = Duration::from_millis(20);
