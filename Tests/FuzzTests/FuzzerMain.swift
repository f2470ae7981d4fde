import Foundation

/// The target named by `FUZZ_TARGET`.
private let target = ProcessInfo.processInfo.environment["FUZZ_TARGET"].flatMap(FuzzTarget.init) ?? .scanner

/// libFuzzer calls this once, first. If `FUZZ_SEEDS` names a folder, it writes the seeds there and exits.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer, _: UnsafeMutableRawPointer) -> Int32 {
    guard let folder = ProcessInfo.processInfo.environment["FUZZ_SEEDS"] else { return 0 }
    do {
        try Seeds.write(to: URL(fileURLWithPath: folder))
        exit(0)
    } catch {
        FileHandle.standardError.write(Data("cannot write seeds: \(error)\n".utf8))
        exit(1)
    }
}

/// libFuzzer calls this with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    do {
        try target.check(Array(UnsafeBufferPointer(start: start, count: count)))
        return 0
    } catch {
        FileHandle.standardError.write(Data("\(target): \(error)\n".utf8))
        // A crash reports the finding to libFuzzer.
        abort()
    }
}
