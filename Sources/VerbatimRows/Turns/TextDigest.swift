/// Digests of texts, to compare them without keeping them. FNV-1a: the same in each process, unlike `Hasher`.
enum TextDigest {
    static func digest(of text: some StringProtocol) -> UInt64 { digest(of: Array(text.utf8).span) }

    static func digest(of bytes: Span<UInt8>) -> UInt64 {
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in bytes.indices { digest = (digest ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01B3 }
        return digest
    }
}
