/// How many processors this process may use: what its scheduler and its control groups allow, not what the machine has.
package enum AvailableCores {
    /// Returns the number, at least 1.
    package static func count() -> Int { count { text(of: $0) } }

    /// - Parameter read: Returns the content of a file, or nil if it cannot be read.
    package static func count(reading read: (String) -> String?) -> Int {
        var limits = [affinity(status: read("/proc/self/status") ?? "")]
        for group in (read("/proc/self/cgroup") ?? "").split(separator: "\n") {
            let fields = group.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            for path in ancestors(of: fields[2]) {
                if fields[1].isEmpty {
                    limits.append(quota(max: read("/sys/fs/cgroup\(path)/cpu.max") ?? ""))
                } else if fields[1].split(separator: ",").contains("cpu") {
                    // Mounted under the names of its controllers, and as a link under each.
                    for mount in ["cpu", String(fields[1])] {
                        let folder = "/sys/fs/cgroup/\(mount)\(path)"
                        limits.append(
                            quota(
                                read("\(folder)/cpu.cfs_quota_us") ?? "",
                                period: read("\(folder)/cpu.cfs_period_us") ?? ""))
                    }
                }
            }
        }
        return limits.compactMap(\.self).min() ?? .max
    }

    /// The processors that `sched_setaffinity` or a cpuset leaves, from `/proc/self/status`; nil if it does not say.
    package static func affinity(status: String) -> Int? {
        let name = "Cpus_allowed_list:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        var count = 0
        for part in line.dropFirst(name.count).split(whereSeparator: { $0 == "," || $0 == " " || $0 == "\t" }) {
            let bounds = part.split(separator: "-").map { Int($0) }
            guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, first <= last, bounds.count <= 2
            else { return nil }
            count += last - first + 1
        }
        return count > 0 ? count : nil
    }

    /// The processors that `cpu.max` of a control group (version 2) allows, rounded up: `150000 100000` is two.
    package static func quota(max text: String) -> Int? {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard let quota = words.first else { return nil }
        return Self.quota(String(quota), period: words.count > 1 ? String(words[1]) : "100000")
    }

    /// The processors that `cpu.cfs_quota_us` and `cpu.cfs_period_us` of a control group (version 1) allow, rounded up;
    /// nil without a limit, which is `-1` or `max`.
    package static func quota(_ quota: String, period: String) -> Int? {
        func number(_ text: String) -> Int? { text.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) } }
        guard let quota = number(quota), let period = number(period), quota > 0, period > 0 else { return nil }
        return max(1, quota / period + (quota % period == 0 ? 0 : 1))
    }

    /// `/a/b`, `/a` and the root as an empty text. Within a container a group may lie outside of what is mounted.
    private static func ancestors(of path: Substring) -> [String] {
        var paths = [""]
        for part in path.split(separator: "/") where part != ".." { paths.append("\(paths[paths.count - 1])/\(part)") }
        return paths
    }

    private static func text(of path: String) -> String? {
        do throws(SystemError) {
            let file = try OpenFile(path, for: .reading)
            var bytes: [UInt8] = []
            while bytes.count < 1 << 16, try file.read(upTo: 4096, at: bytes.count, into: &bytes) > 0 {}
            return String(decoding: bytes, as: UTF8.self)
        } catch {
            return nil
        }
    }
}
