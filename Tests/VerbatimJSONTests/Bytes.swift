extension String {
    /// Strings stand for their UTF-8 throughout these tests.
    var bytes: [UInt8] { Array(utf8) }
}
