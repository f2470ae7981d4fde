internal import Dispatch

/// Runs an actor on a dispatch queue, so that code on that queue can enter the actor without waiting
/// (`assumeIsolated`). Several actors may share it. The compiler then confines the actor's state to the queue.
final class QueueExecutor: SerialExecutor {
    let queue: DispatchQueue

    init(label: String) {
        queue = DispatchQueue(label: label)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    func checkIsolated() { dispatchPrecondition(condition: .onQueue(queue)) }
}
