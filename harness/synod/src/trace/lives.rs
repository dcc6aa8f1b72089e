//! The traces of a node, and where the one of each of its lives is.
//!
//! What stands in them is read and followed elsewhere. The claim kept true: a trace of a simulated
//! node and one of a real node differ in where they are alone.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use synod_paxos::NodeId;

/// The traces of one node: one for each of its lives, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTrace {
    /// The node.
    pub node: NodeId,
    /// The traces.
    pub lives: Vec<TraceLife>,
}

/// Where the trace of one life is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceLife {
    /// In a file.
    File(PathBuf),
    /// Here.
    Bytes(Vec<u8>),
}

impl TraceLife {
    pub(super) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::File(path) => Box::new(BufReader::new(File::open(path)?)),
            Self::Bytes(bytes) => Box::new(&bytes[..]),
        })
    }

    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Bytes(_) => PathBuf::new(),
        }
    }
}
