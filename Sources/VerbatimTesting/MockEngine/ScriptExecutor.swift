import NIOPosix

/// Runs tasks on threads of their own, so that an engine answers in time beside tasks that only compute.
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
