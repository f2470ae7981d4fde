import NIOPosix

/// Runs tasks on its own threads, so that an engine is not delayed by tasks that compute.
package final class ScriptExecutor: TaskExecutor {
    package static let shared = ScriptExecutor()

    private let pool: NIOThreadPool

    private init() {
        pool = NIOThreadPool(numberOfThreads: 4)
        pool.start()
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        pool.submit { _ in job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
