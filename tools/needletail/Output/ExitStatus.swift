/// The exit statuses that scripts may rely on, as in BSD's `sysexits.h`.
package enum ExitStatus: Int32, Sendable {
    case success = 0
    /// The command line is wrong.
    case usage = 64
    /// The input data are wrong: a file to load, a picture, a database that is damaged.
    case badData = 65
    /// The operating system failed to read or write.
    case io = 74
    /// Ctrl-C, as shells report it: 128 + SIGINT.
    case interrupted = 130
}
