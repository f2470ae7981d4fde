import VerbatimSSE
import TestSupport
import Testing

/// The event streams that real engines sent.
@Suite struct RecordedStreamTests {
    @Test func everySetHasSamples() {
        #expect(Set(WireSample.all.map(\.set)) == ["llamacpp", "llamacpp-tools", "vllm", "vllm-reasoning"])
        #expect(WireSample.streams.count > 70)
    }

    @Test func samplesAreReadAsRecorded() throws {
        for sample in WireSample.all {
            #expect(sample.request.path.hasPrefix("/"))
            #expect(sample.request.method == (sample.request.body.isEmpty ? "GET" : "POST"))
            if sample.name.hasPrefix("chat_") || sample.name.hasPrefix("extra_") {
                #expect(sample.request.path == "/v1/chat/completions")
                #expect(sample.request.body.first == UInt8(ascii: "{"))
            }
            #expect(sample.response.body.isEmpty == false)
            #expect(sample.response.header("server") != nil)
            let isJSON = sample.response.header("Content-Type")?.hasPrefix("application/json") == true
            #expect(isJSON == (sample.response.body.first == UInt8(ascii: "{")))
        }
        let media = try #require(WireSample.named("err_unsupported_media", in: "vllm"))
        #expect(media.request.headers.map(\.name) == ["Content-Type"])
        #expect(media.request.headers.map(\.value) == ["text/plain"])
        #expect(media.request.body == Array("hello".utf8))
        #expect(media.response.status == 400)
        #expect(media.response.reason == "Bad Request")
        #expect(media.response.header("content-LENGTH") == String(media.response.body.count))
        #expect(media.description == "vllm/err_unsupported_media")
    }

    @Test(arguments: WireSample.streams)
    func streamsAreSplitAlikeAsAWholeAndByteByByte(sample: WireSample) throws {
        let stream = sample.response.body
        let whole = StreamReader(stream)
        let expected = NaiveReading(of: stream)
        expectFaithful(whole, to: expected)
        #expect(whole.unclaimed.isEmpty)
        #expect(whole.units.allSatisfy { $0.kind == .event })
        #expect(whole.events.count == whole.units.count)

        let byteByByte = StreamReader(byteByByte: stream)
        expectFaithful(byteByByte, to: expected)
        #expect(byteByByte.units.map(\.bytes) == whole.units.map(\.bytes))

        // Again, with the line endings of other servers.
        for ending in ["\r", "\r\n"] {
            let other = Array(String(decoding: stream, as: UTF8.self).replacing("\n", with: ending).utf8)
            let reader = StreamReader(other)
            expectFaithful(reader, to: NaiveReading(of: other))
            #expect(reader.events == whole.events)
            #expect(StreamReader(byteByByte: other).events == whole.events)
        }
    }

    @Test(arguments: WireSample.streams)
    func streamsAreSplitAlikeWhereverTheyAreCut(sample: WireSample) {
        let stream = sample.response.body
        let boundaries = [0] + NaiveEventStream.boundaries(in: stream)
        let nextEnds = boundaries.dropFirst(2) + [stream.count]
        for ((start, end), next) in zip(zip(boundaries, boundaries.dropFirst()), nextEnds) {
            // A splitter starts anew after each event. So it is enough to cut each event in two, and to pass the next
            // with its end. Units are taken from the front: if their lengths are right, so are their bytes.
            let lengths = [end - start, next - end].filter { $0 > 0 }
            for position in start...end {
                var splitter = EventSplitter()
                var place = start
                var found: [EventSplitter.Unit] = []
                for pieceEnd in [position, next] {
                    while let unit = splitter.nextUnit(in: stream.span.extracting(place..<pieceEnd)) {
                        found.append(unit)
                        place += unit.length
                    }
                }
                if found.map({ $0.length }) != lengths || found.contains(where: { $0.kind != .event }) {
                    Issue.record("cut at \(position), the units are \(found)")
                }
            }
        }
    }

    @Test(arguments: ["llamacpp", "llamacpp-tools", "vllm", "vllm-reasoning"])
    func chatStreamsEndWithDone(set: String) throws {
        for sample in WireSample.streams where sample.set == set && sample.name.hasPrefix("chat_") {
            #expect(StreamReader(sample.response.body).events.last?.data == "[DONE]")
        }
        let messages = try #require(WireSample.named("messages_stream_tools", in: set)).response
        if messages.isEventStream {
            let events = StreamReader(messages.body).events
            #expect(events.first?.name == "message_start")
            #expect(events.allSatisfy { $0.name == "error" || $0.data.contains("\"type\":\"\($0.name)\"") })
        }
    }
}
