#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Memory straight from the system, in huge pages where it has them: zero, taken when first written, given back at once when freed.
final class AnonymousPages: @unchecked Sendable {
    // `@unchecked`: whoever writes to it, writes to parts of their own.
    let base: UnsafeMutableRawPointer
    let byteCount: Int

    private static let hugePage = 2 << 20

    /// So many bytes in whole pages.
    static func rounded(_ byteCount: Int) -> Int { (byteCount + hugePage - 1) / hugePage * hugePage }

    init(byteCount: Int) throws(HNSWBuildError) {
        self.byteCount = Self.rounded(max(byteCount, 1))
        let mapped = mmap(nil, self.byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
        guard let mapped, mapped != MAP_FAILED else { throw .outOfMemory(byteCount: self.byteCount) }
        base = mapped
        #if os(Linux)
        madvise(base, self.byteCount, MADV_HUGEPAGE)
        #endif
    }

    deinit { munmap(base, byteCount) }

    /// Gives a part back to the system; what it holds is lost.
    func release(_ offset: Int, byteCount: Int) { madvise(base + offset, byteCount, MADV_DONTNEED) }
}
