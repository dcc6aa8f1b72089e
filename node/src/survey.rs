//! A look at the data folder of a node that does not run, for whoever has to decide about it.
//!
//! What is found there is the host's to say. The claim kept true: the folder is opened for reading
//! alone, so that not a byte of it changes, and a folder that cannot be written to is enough.

use std::path::Path;

use synod_host::DataFolders;
use synod_host::journal::ReadOnlyDisk;

use crate::config::SNAPSHOTS;

pub use synod_host::journal::OpenError as SurveyError;
pub use synod_host::survey::*;

/// Surveys the data folder of a node; see [`Node::survey`](crate::Node::survey).
pub(crate) fn survey_folder(data: &Path) -> Result<NodeSurvey, SurveyError> {
    let snapshots = data.join(SNAPSHOTS);
    let folders = DataFolders { journal: data, snapshots: &snapshots };
    survey(ReadOnlyDisk, folders)
}
