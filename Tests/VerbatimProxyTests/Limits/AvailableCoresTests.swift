import Testing
import VerbatimPlatform

@Suite("Cores that a process may use") struct AvailableCoresTests {
    private func count(_ files: [String: String]) -> Int { AvailableCores.count { files[$0] } }

    @Test(
        "The scheduler's list is counted",
        arguments: [
            ("0", 1), ("0-1", 2), ("0-3,8,10-11", 7), ("2", 1), ("", nil), ("x", nil), ("3-1", nil),
        ])
    func affinity(list: String, expected: Int?) {
        #expect(
            AvailableCores.affinity(status: "Name:\tv\nCpus_allowed:\tff\nCpus_allowed_list:\t\(list)\n") == expected)
    }

    @Test(
        "A quota is rounded up",
        arguments: [
            ("100000 100000", 1), ("150000 100000", 2), ("50000 100000", 1), ("400000 100000", 4), ("max 100000", nil),
            ("250000", 3), ("", nil), ("0 100000", nil), ("100 0", nil),
        ])
    func quota(text: String, expected: Int?) {
        #expect(AvailableCores.quota(max: text) == expected)
    }

    @Test("The tightest group above the process counts, of either version")
    func groups() {
        let status = ("/proc/self/status", "Cpus_allowed_list:\t0-15\n")
        #expect(count([:]) == .max)
        #expect(count(Dictionary(uniqueKeysWithValues: [status])) == 16)
        var files = Dictionary(uniqueKeysWithValues: [status])
        files["/proc/self/cgroup"] = "0::/a/b\n"
        #expect(count(files) == 16)
        files["/sys/fs/cgroup/a/b/cpu.max"] = "max 100000\n"
        files["/sys/fs/cgroup/a/cpu.max"] = "300000 100000\n"
        #expect(count(files) == 3)
        files["/sys/fs/cgroup/cpu.max"] = "100000 100000\n"
        #expect(count(files) == 1)

        var old = Dictionary(uniqueKeysWithValues: [status])
        old["/proc/self/cgroup"] = "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n"
        old["/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us"] = "200000\n"
        old["/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us"] = "100000\n"
        #expect(count(old) == 2)
        old["/sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "-1\n"
        old["/sys/fs/cgroup/cpu/cpu.cfs_period_us"] = "100000\n"
        #expect(count(old) == 2)
    }

    @Test("This process may use at least one")
    func here() {
        #expect(AvailableCores.count() >= 1)
    }
}
