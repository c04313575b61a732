import Foundation
import NeedletailTestSupport
import NeedletailTool
import Testing

@Suite("Finding pictures")
struct PictureWalkTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func touch(_ path: String, _ text: String = "") throws {
        let url = URL(fileURLWithPath: folder.path(path))
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    @Test("pictures are found in order, hidden ones passed over, links followed once")
    func walk() throws {
        for path in ["b.JPG", "a.png", "notes.txt", ".hidden.png", ".git/x.png", "sub/deep/c.webp", "sub/d.jpeg", "B.png"] { try touch(path) }
        try FileManager.default.createSymbolicLink(atPath: folder.path("sub/loop"), withDestinationPath: folder.path(""))
        try FileManager.default.createSymbolicLink(atPath: folder.path("z.png"), withDestinationPath: folder.path("nowhere.png"))
        try FileManager.default.createDirectory(atPath: folder.path("folder.png"), withIntermediateDirectories: true)
        let walk = try PictureWalk(folder: folder.path("sub/../."))
        #expect(walk.pictures.map(\.relativePath) == ["B.png", "a.png", "b.JPG", "sub/d.jpeg", "sub/deep/c.webp"])
        #expect(walk.pictures.map(\.category) == [nil, nil, nil, "sub", "sub/deep"])
        #expect(walk.pictures[4].folder == "deep" && walk.pictures[4].recordID == folder.path("sub/deep/c.webp"))
        #expect(walk.problems.count == 1)
    }

    @Test("a missing folder and a file are refused")
    func missing() throws {
        try touch("a.png")
        #expect { try PictureWalk(folder: folder.path("none")) } throws: { ($0 as? InputError)?.status == .io }
        #expect { try PictureWalk(folder: folder.path("a.png")) } throws: { ($0 as? InputError)?.message.contains("no folder") == true }
    }

    @Test("the first line of the text beside a picture describes it")
    func description() throws {
        try touch("a.txt", "  A blue parrot.\nes.utf8=Un loro azul.\n")
        try touch("b.txt", "\n")
        try touch("c.txt", String(repeating: "é", count: 5000))
        #expect(PictureDescription.of(pictureAt: folder.path("a.png")) == "A blue parrot.")
        #expect(PictureDescription.of(pictureAt: folder.path("b.png")) == nil)
        #expect(PictureDescription.of(pictureAt: folder.path("c.png")).map { $0.allSatisfy { $0 == "é" } } == true)
        #expect(PictureDescription.of(pictureAt: folder.path("d.png")) == nil)
    }

    @Test("ids of long paths differ, and fit")
    func longPaths() {
        let folder = "/" + Array(repeating: "ééééééééé", count: 60).joined(separator: "/")
        let ids = ["a", "b"].map { PictureFile(path: folder + "/x/" + $0 + ".png", relativePath: "", byteCount: 0, modified: 0).recordID }
        #expect(ids[0] != ids[1] && ids.allSatisfy { $0.utf8.count <= 480 && $0.hasSuffix(".png") })
    }

    @Test("a time that no calendar knows does not matter", arguments: [Int.max, Int.min, 99_999_999_999_999])
    func nonsenseTimes(seconds: Int) throws {
        try touch("a.png")
        var times = [timespec(tv_sec: seconds, tv_nsec: 0), timespec(tv_sec: seconds, tv_nsec: 0)]
        // File systems cut the time to what they can keep, or refuse it.
        _ = utimensat(AT_FDCWD, folder.path("a.png"), &times, 0)
        #expect(try PictureWalk(folder: folder.path("")).pictures.count == 1)
    }
}
