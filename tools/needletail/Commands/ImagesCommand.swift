import ArgumentParser
import Foundation
import Needletail
import NeedletailVision

struct ImagesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "images", abstract: "Decode, embed and load the pictures in folders.",
        discussion: """
            Example:
              needletail images photos.ntl photos ~/Pictures

            Takes .jpg, .jpeg, .png and .webp from the folders and all folders below; hidden ones are passed over. A record's id is \
            the picture's path. Its fields: description (the first line of NAME.txt beside NAME.png, if there is one), category (the \
            folders between the one named and the picture, as animals/birds), folder, width, height, bytes, modified, path.
            Pictures that were loaded before and have the same size and time are passed over, so a second run goes on where the first \
            was stopped. Pictures that cannot be decoded are listed at the end; the others are loaded.
            """)

    @OptionGroup var target: CollectionArguments

    @Argument(help: "Folders of pictures.", completion: .directory)
    var folders: [String]

    @Option(help: ArgumentHelp("The model: a .safetensors file, or the folder of one (default: the built-in needletail-mini).", valueName: "file"), completion: .file())
    var model: String?

    // Also a negative number is a value, and gets a sentence of its own.
    @Option(parsing: .unconditional, help: ArgumentHelp("Pictures in work at once (default: enough for all cores).", valueName: "n"))
    var threads: Int?

    @Flag(help: "Exit with status 65 if any picture could not be loaded.")
    var strict = false

    @Flag(help: "Print the summary as JSON.")
    var json = false

    func validate() throws {
        if folders.isEmpty { throw ValidationError("Name at least one folder of pictures.") }
        if let threads, !(1 ... 1024).contains(threads) { throw ValidationError("--threads must be from 1 to 1,024.") }
    }

    func run() async throws {
        let interrupt = Interrupt()
        var progress: ProgressBar?
        let summary = try await PictureImport(
            database: target.database, collection: target.collection, folders: folders, model: model, concurrency: threads
        ).run(isCancelled: { interrupt.isRequested }, note: { Terminal.warn($0) }) { done, total in
            if progress == nil { progress = ProgressBar("embedding", total: total, unit: "pictures") }
            progress?.update(done)
        }
        progress?.finish()
        for failure in summary.failures { Terminal.warn(failure.description) }
        print(json ? summary.json : summary.text)
        if summary.isCancelled {
            Terminal.warn("stopped; the same command goes on where this one ended")
            throw ExitCode(ExitStatus.interrupted.rawValue)
        }
        if !summary.failures.isEmpty, strict || summary.embedded + summary.unchanged == 0 {
            throw ExitCode(ExitStatus.badData.rawValue)
        }
    }
}
