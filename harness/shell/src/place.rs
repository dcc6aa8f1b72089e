//! One place of the virtual world: an address, a drive, a wall clock and a stream of chance.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quinn::AsyncUdpSocket;
use synod_host::journal::{Journal, SimDisk};
use synod_node::world::{OnOutcome, Placement, Surroundings, World};
use synod_rng::{Random, Seed, Stream};
use synod_transport_quic::{BindError, HeldPort, Turns, Wall};
use tokio::time::Instant;

use crate::commits::CommitTask;
use crate::disk::Drive;
use crate::net::{Net, ip_of};

/// Where a node or a client runs. Clones are one place.
#[derive(Clone, Debug)]
pub struct Place {
    net: Net,
    number: u16,
    drive: Drive,
    turns: Turns,
    chance: Arc<Mutex<Random>>,
    dawn: Duration,
    begin: Instant,
}

impl Place {
    /// Makes a place of the network, whose wall clock shows [`DAWN`] at the beginning.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time.
    #[must_use]
    pub fn new(net: &Net, number: u16, seed: u64) -> Self {
        let stream = Stream::named("place").part(u64::from(number));
        let mut random = Random::new(Seed(seed), stream);
        let drive = Drive::new(random.next_u64());
        Self {
            net: net.clone(),
            number,
            drive,
            turns: Turns::default(),
            chance: Arc::new(Mutex::new(random)),
            dawn: DAWN,
            begin: Instant::now(),
        }
    }

    /// Lets the wall clock of the place show another time: so long after 1970 at this moment.
    pub fn set_wall(&mut self, since_1970: Duration) {
        (self.dawn, self.begin) = (since_1970, Instant::now());
    }

    /// The number of the place in the network.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// An address of the place.
    #[must_use]
    pub fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(ip_of(self.number), port)
    }

    /// Takes a free port of the place as a bare socket, for whoever keeps no rule of the transport.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn socket(&self) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.net.socket(self.at(0))
    }

    /// The drive of the place.
    #[must_use]
    pub const fn drive(&self) -> &Drive {
        &self.drive
    }

    /// Puts another drive into the place, before a start.
    pub fn put_drive(&mut self, drive: Drive) {
        self.drive = drive;
    }

    /// The power of the place fails.
    pub(crate) fn fail(&mut self) {
        self.drive.fail();
    }
}

impl Surroundings for Place {
    /// Takes a port of this place, whatever the address was meant for.
    fn hold(&self, address: SocketAddr) -> Result<HeldPort, BindError> {
        let address = self.at(address.port());
        self.net.bind(address).map_err(|source| BindError::Socket { address, source })
    }

    fn wall(&self) -> Wall {
        let (dawn, begin) = (self.dawn, self.begin);
        Arc::new(move || {
            u64::try_from((dawn + begin.elapsed()).as_millis()).expect("a date within reach")
        })
    }

    fn turns(&self) -> Turns {
        self.turns.clone()
    }

    fn draw(&self, bytes: &mut [u8]) -> io::Result<()> {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&chance.next_u64().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl World for Place {
    type Disk = SimDisk;
    type Commits = CommitTask;

    fn disk(&self) -> SimDisk {
        self.drive.disk()
    }

    fn placement(&self) -> Placement {
        Placement::Tasks
    }

    fn commits(&self, journal: Journal<SimDisk>, on_outcome: OnOutcome) -> io::Result<CommitTask> {
        Ok(CommitTask::start(journal, self.drive.clone(), on_outcome))
    }
}

/// What the wall clocks show at the beginning: noon of 1 January 2030, in time since 1970.
pub const DAWN: Duration = Duration::from_secs(1_893_499_200);
