import VerbatimJSON
import Testing

@Suite struct JSONListTests {
    private func list(_ text: String) throws -> JSONList { try #require(parsed(text)) }

    private func parsed(_ text: String) -> JSONList? { JSONList(array: Array(text.utf8).span) }

    @Test(arguments: [
        (0, "[1,[2,3],\"a,b\"]", 3), (1, "[[2,3],\"a,b\"]", 2), (2, "[\"a,b\"]", 1), (3, "[]", 0), (9, "[]", 0),
        (-1, "[1,[2,3],\"a,b\"]", 3),
    ])
    func removesTheFirstElements(number: Int, expected: String, count: Int) throws {
        var list = try list("[1,[2,3],\"a,b\"]")
        list.removeFirst(number)
        #expect(String(decoding: list.array, as: UTF8.self) == expected && list.count == count)
    }

    @Test(arguments: [
        ("[]", "[]", "[]", 0), ("[1]", "[]", "[1]", 1), ("[]", "[1]", "[1]", 1), ("[1]", "[2,3]", "[1,2,3]", 3),
    ])
    func appendsAnotherList(one: String, other: String, expected: String, count: Int) throws {
        var list = try list(one)
        list.append(contentsOf: try self.list(other))
        #expect(String(decoding: list.array, as: UTF8.self) == expected && list.count == count)
    }

    @Test(arguments: ["1", "{}", "null", "", "[1"])
    func otherTextsGiveNoList(text: String) { #expect(parsed(text) == nil) }
}
