//! A thread with a runtime of its own, for an endpoint whose work must not hold up its owner's.
//!
//! What it leaves to others: what runs there. The claim it keeps true: when its holder is dropped
//! the thread has ended, and with it every task and socket that began there.

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::setup::BindError;

/// Holds a thread that runs tasks; dropping it ends them and waits for that.
#[derive(Debug)]
pub(crate) struct OwnThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl OwnThread {
    /// Begins a thread with a runtime and gives what `begin` makes inside that runtime.
    pub(crate) fn start<T: Send + 'static>(
        name: &str,
        begin: impl FnOnce() -> Result<T, BindError> + Send + 'static,
    ) -> Result<(T, Self), BindError> {
        let (stop, stopped) = oneshot::channel();
        let (begun, beginning) = sync_channel(1);
        // The starter waits for exactly one piece of news, and there is room for it.
        let run = move || {
            let runtime = match runtime() {
                Ok(runtime) => runtime,
                Err(error) => return drop(begun.try_send(Err(BindError::Thread(error)))),
            };
            drop(begun.try_send(in_runtime(&runtime, begin)));
            // The holder sends nothing: its end is the news.
            let _ = runtime.block_on(stopped);
        };
        let thread = Builder::new().name(name.to_owned()).spawn(run).map_err(BindError::Thread)?;
        let holder = Self { stop: Some(stop), thread: Some(thread) };
        let panicked = |_| BindError::Thread(io::Error::other("the thread panicked at its start"));
        let made = beginning.recv().map_err(panicked)??;
        Ok((made, holder))
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was reported when it happened.
            let _ = thread.join();
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn in_runtime<T>(runtime: &Runtime, begin: impl FnOnce() -> T) -> T {
    let _inside = runtime.enter();
    begin()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

    use super::*;
    use std::sync::Arc;

    #[test]
    fn tasks_run_there_and_are_gone_when_the_holder_is() {
        let held = Arc::new(());
        let inside = Arc::clone(&held);
        let (name, holder) = OwnThread::start("a-name", move || {
            tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(inside);
            });
            Ok(std::thread::current().name().map(str::to_owned))
        })
        .unwrap();
        assert_eq!(name.as_deref(), Some("a-name"));
        assert_eq!(Arc::strong_count(&held), 2);
        drop(holder);
        assert_eq!(Arc::strong_count(&held), 1, "a task outlives its thread");
    }

    #[test]
    fn what_cannot_begin_leaves_no_thread() {
        let held = Arc::new(());
        let inside = Arc::clone(&held);
        let outcome = OwnThread::start("a-name", move || {
            let _inside = inside;
            Err::<(), _>(BindError::Setting("no".to_owned()))
        });
        assert!(matches!(outcome, Err(BindError::Setting(_))), "{outcome:?}");
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
