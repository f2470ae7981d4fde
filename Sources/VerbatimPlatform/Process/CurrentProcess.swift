/// This process.
package enum CurrentProcess {
    /// Ends the process.
    package static func exit(_ code: Int32) -> Never { CLibrary.exit(code) }

    /// Raises the limit of open files to the maximum that the system allows.
    ///
    /// - Returns: The limit in force; `nil` if it is unknown or there is none.
    @discardableResult
    package static func raiseFileLimit() -> Int? {
        #if canImport(Glibc)
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let resource = RLIMIT_NOFILE
        #endif
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return nil }
        if limit.rlim_cur < limit.rlim_max {
            let last = limit.rlim_cur
            limit.rlim_cur = limit.rlim_max
            if setrlimit(resource, &limit) != 0 { limit.rlim_cur = last }
        }
        return Int(exactly: limit.rlim_cur)
    }
}
