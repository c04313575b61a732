import ArgumentParser

@main
struct NeedletailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "needletail", abstract: "Vector search in a file: load vectors or pictures, find the most alike.")
}
