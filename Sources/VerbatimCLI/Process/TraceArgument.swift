import ArgumentParser
import Verbatim
import VerbatimPlatform

/// A trace that is named on the command line: a file, or a folder with a file for each rollout.
struct TraceArgument: ExpressibleByArgument {
    let path: String

    init(argument: String) { path = argument }

    var isFolder: Bool { OpenFile.status(at: path)?.kind == .directory }

    /// The traces: the file itself, or the files of the folder.
    func traces() throws(CommandFailure) -> [TraceReader] {
        guard isFolder else { return [TraceReader(path: path)] }
        let traces: [TraceReader]
        do throws(TraceReaderError) {
            traces = try TraceReader.traces(inFolder: path)
        } catch {
            throw CommandFailure(error)
        }
        if traces.isEmpty {
            throw CommandFailure(
                code: EX_NOINPUT,
                message: "cannot open the trace '\(path)': Is a directory, and no file in it ends in .jsonl")
        }
        return traces
    }
}
