//! The whole of a simulated disk: names, files, faults, bounds and the source of salts.
//!
//! Locking is left to the handle. Claim kept: a full disk refuses before it changes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::Effect;
use super::faults::Faults;
use super::inode::{Inode, InodeId};
use super::names::Names;

pub(super) struct State {
    pub(super) names: Names,
    pub(super) faults: Faults,
    pub(super) locked: BTreeSet<PathBuf>,
    pub(super) capacity: Option<u64>,
    pub(super) write_max: Option<usize>,
    inodes: BTreeMap<InodeId, Inode>,
    inodes_made: u64,
    salt_state: u64,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            names: Names::new(),
            faults: Faults::default(),
            locked: BTreeSet::new(),
            capacity: None,
            write_max: None,
            inodes: BTreeMap::new(),
            inodes_made: 0,
            salt_state: seed,
        }
    }

    pub(super) fn create(&mut self, path: &Path, bytes: u64) -> io::Result<InodeId> {
        self.demand(bytes)?;
        let id = InodeId(self.inodes_made);
        self.names.create_file(path, id)?;
        self.inodes_made += 1;
        self.inodes.insert(id, Inode::new(bytes));
        Ok(id)
    }

    pub(super) fn write(&mut self, id: InodeId, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let take = self.write_max.map_or(bytes.len(), |max| bytes.len().min(max));
        let inode = self.inode(id);
        let growth = inode.footprint_with(take, offset) - inode.footprint();
        self.demand(growth)?;
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.inode_mut(id).write(&bytes[..take], offset);
        Ok(take)
    }

    pub(super) fn crashed(&self, choose: &mut dyn FnMut(Effect, usize) -> usize) -> Self {
        let names = self.names.crashed(choose);
        let survivors: BTreeSet<InodeId> = names.files().collect();
        let mut inodes = BTreeMap::new();
        for (id, inode) in &self.inodes {
            if survivors.contains(id) {
                inodes.insert(*id, inode.crashed(choose));
            }
        }
        Self { names, inodes, ..self.successor() }
    }

    pub(super) fn killed(&self) -> Self {
        let reachable = self.names.reachable();
        let mut inodes = self.inodes.clone();
        inodes.retain(|id, _| reachable.contains(id));
        Self { names: self.names.clone(), inodes, ..self.successor() }
    }

    pub(super) fn inode(&self, id: InodeId) -> &Inode {
        self.inodes.get(&id).expect("a file is kept as long as its disk")
    }

    pub(super) fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        self.inodes.get_mut(&id).expect("a file is kept as long as its disk")
    }

    /// Draws the next number of a splitmix sequence, which visits each number once.
    pub(super) fn draw_salt(&mut self) -> u64 {
        self.salt_state = self.salt_state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.salt_state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// An empty disk that goes on with the numbers of this one.
    fn successor(&self) -> Self {
        // Numbers and salts go on where they were: a salt that came a second time would let old
        // frames pass for new ones.
        Self { inodes_made: self.inodes_made, ..Self::new(self.salt_state) }
    }

    fn demand(&self, bytes: u64) -> io::Result<()> {
        let Some(capacity) = self.capacity else { return Ok(()) };
        let taken: u64 = self.names.files().map(|id| self.inode(id).footprint()).sum();
        if bytes > 0 && taken + bytes > capacity {
            return Err(Errno::NOSPC.into());
        }
        Ok(())
    }
}
