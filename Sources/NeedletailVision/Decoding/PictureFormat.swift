/// A picture file format, told by the file's first bytes and never by its name.
public enum PictureFormat: String, Sendable, Hashable, Codable, CaseIterable {
    case jpeg, png, webp
}
