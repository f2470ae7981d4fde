import Testing
import VerbatimPlatform

/// The examples of FIPS 180-4 and of NIST's test vectors.
@Suite struct SHA256Tests {
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            String(repeating: "a", count: 1_000_000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        ),
    ])
    func vectors(text: String, hash: String) { #expect(SHA256.hexadecimal(Array(text.utf8)) == hash) }

    @Test func piecesOfAnyLength() {
        let bytes = (0..<200).map { UInt8($0) }
        for count in 0...bytes.count {
            let whole = SHA256.hexadecimal(Array(bytes[..<count]))
            for cut in 0...count {
                var hash = SHA256()
                hash.update(Array(bytes[..<cut]))
                hash.update(Array(bytes[cut..<count]))
                #expect(hash.hexadecimal == whole)
            }
        }
    }
}
