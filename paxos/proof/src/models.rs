//! The models that there are, with their texts.

/// A model as it lies in the repository.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Its name, as its file says it.
    pub name: &'static str,
    /// The path of its file, from the workspace's root.
    pub path: &'static str,
    /// The text of its file.
    pub text: &'static str,
}

/// All models, the simple ones first.
pub const MODELS: &[Source] = &[
    Source {
        name: "Synod",
        path: "paxos/proof/models/Synod.epr",
        text: include_str!("../models/Synod.epr"),
    },
    Source {
        name: "MultiPaxos",
        path: "paxos/proof/models/MultiPaxos.epr",
        text: include_str!("../models/MultiPaxos.epr"),
    },
    Source {
        name: "SynodDurable",
        path: "paxos/proof/models/SynodDurable.epr",
        text: include_str!("../models/SynodDurable.epr"),
    },
    Source {
        name: "MultiPaxosDurable",
        path: "paxos/proof/models/MultiPaxosDurable.epr",
        text: include_str!("../models/MultiPaxosDurable.epr"),
    },
    Source {
        name: "Reconfiguration",
        path: "paxos/proof/models/Reconfiguration.epr",
        text: include_str!("../models/Reconfiguration.epr"),
    },
    Source {
        name: "Reads",
        path: "paxos/proof/models/Reads.epr",
        text: include_str!("../models/Reads.epr"),
    },
    Source {
        name: "Smr",
        path: "paxos/proof/models/Smr.epr",
        text: include_str!("../models/Smr.epr"),
    },
];
