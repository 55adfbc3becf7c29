//! Which processor the two measuring threads run on.

use eyre::{WrapErr, ensure};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Two different processors that this process may use: the writer's and the reader's.
pub fn pair() -> eyre::Result<(usize, usize)> {
    let allowed = sched_getaffinity(None).wrap_err("cannot ask for the processors of this process")?;
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu));
    let (first, second) = (cpus.next(), cpus.next());
    ensure!(second.is_some(), "there is only one processor, but writer and reader need one each");
    Ok((first.unwrap_or_default(), second.unwrap_or_default()))
}

/// Binds the calling thread, and those that it starts from now on, to one processor. Threads that a library started
/// before stay free: a helper of the writer's must not compete with a writer that spins.
pub fn pin_to(cpu: usize) -> eyre::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None::<Pid>, &set).wrap_err_with(|| format!("cannot bind this thread to processor {cpu}"))
}
