using Cdp.Events;
using Cdp.Identity;
using Cdp.Storage;

namespace Cdp.Imports;

/// <summary>Works imports off, message by message, and brings those back whose message got lost.</summary>
public sealed class ImportProcessor(ImportStore imports, FileImporter importer, IMessageQueue queue, IBlobStore blobs, TimeProvider time)
{
    /// <summary>Starts an import, or brings one back that stands still. Sent again, it changes nothing.</summary>
    /// <returns>Null where there is none.</returns>
    public async Task<ImportDocument?> StartAsync(string id, CancellationToken cancellation)
    {
        var import = await imports.StartAsync(id, cancellation);
        // Who dies here leaves one that stands still; whoever called has no answer, and the timer finds it.
        if (import is { State: ImportState.Running or ImportState.Ending })
            await SendAsync(id, delay: null, cancellation);
        return import;
    }

    /// <summary>Works on what a message is about, for half a minute; what is left is another message.</summary>
    /// <exception cref="FormatException">The message is none of an import.</exception>
    public async Task ProcessAsync(string text, CancellationToken cancellation)
    {
        var messages = ImportMessage.Read(text);
        foreach (var message in messages)
        {
            if (message.Blob is { } blob && !await IsAwaitedAsync(message.ImportId, blob, cancellation))
                continue;
            // Several uploads in one message do not wait for each other.
            if (messages.Count > 1)
                await SendAsync(message.ImportId, delay: null, cancellation);
            else
                await RunAsync(message.ImportId, cancellation);
        }
    }

    /// <summary>A message failed every time it was tried: says so in its imports.</summary>
    /// <exception cref="FormatException">The message is none of an import.</exception>
    public async Task GiveUpAsync(string text, CancellationToken cancellation)
    {
        foreach (var message in ImportMessage.Read(text))
            await imports.FailAsync(message.ImportId, "It failed every time it was tried. Start it again: it goes on where it stands.", cancellation);
    }

    /// <summary>Cancels an import and forgets all of it but the events that it has queued. No error where there is none.</summary>
    /// <remarks>
    /// The row goes last, so that a deletion that dies in between can be sent again, and first it is made one of the past: who works on it finds out at the next
    /// checkpoint, and takes its own part of the report away.
    /// </remarks>
    public async Task DeleteAsync(string id, CancellationToken cancellation)
    {
        if (await imports.GetAsync(id, cancellation) is not { } import)
            return;
        await imports.FailAsync(id, "It is being deleted.", cancellation);
        await blobs.DeleteAsync(ContainerName.Imports, import.FileName, cancellation);
        await foreach (var blob in blobs.ListAsync(ContainerName.Imports, import.ReportFolder, cancellation))
            await blobs.DeleteAsync(ContainerName.Imports, blob, cancellation);
        await imports.DeleteAsync(id, cancellation);
    }

    /// <summary>
    /// Sends the messages of imports that stand still again, starts those whose file is there and nobody said so, and forgets those that are long past.
    /// </summary>
    public async Task SweepAsync(CancellationToken cancellation)
    {
        var now = Instant.Now(time);
        await foreach (var import in imports.ListAsync(after: null, cancellation))
        {
            if (import.State is ImportState.Running or ImportState.Ending)
            {
                if (import.UpdatedAt.Plus(ImportLimits.Stalled) < now)
                    await SendAsync(import.Id, delay: null, cancellation);
            }
            else if (import.UpdatedAt.Plus(ImportLimits.Kept) < now)
            {
                await DeleteAsync(import.Id, cancellation);
            }
            else if (import is { State: ImportState.Waiting, Request.StartOnUpload: true } && IsInTime(import, now) && await IsUploadedAsync(import, cancellation))
            {
                await StartAsync(import.Id, cancellation);
            }
        }
    }

    // Not looked for at once: the storage tells of it sooner. Nor for ever: each look is a call, and the link has ended.
    private static bool IsInTime(ImportDocument import, Instant now) =>
        import.CreatedAt.Plus(ImportLimits.Stalled) < now && now < import.CreatedAt.Plus(ImportLimits.Upload + ImportLimits.Upload);

    private async Task<bool> IsUploadedAsync(ImportDocument import, CancellationToken cancellation) =>
        await blobs.ReadAsync(ContainerName.Imports, import.FileName, 0, 1, cancellation) is not null;

    // The storage may tell of one upload twice, and who began on the first message may have died since.
    private async Task<bool> IsAwaitedAsync(string id, string blob, CancellationToken cancellation)
    {
        var import = await imports.GetAsync(id, cancellation);
        // Its link outlives an import that was deleted; nobody would ever look at the file.
        if (import is null)
            await blobs.DeleteAsync(ContainerName.Imports, blob, cancellation);
        if (import is { State: ImportState.Waiting, Request.StartOnUpload: true })
            import = await imports.StartAsync(id, cancellation);
        return import is { State: ImportState.Running or ImportState.Ending, Request.StartOnUpload: true };
    }

    private async Task RunAsync(string id, CancellationToken cancellation)
    {
        switch (await importer.RunAsync(id, new Deadline(time, ImportLimits.Work), cancellation))
        {
            case ImportProgress.Unfinished:
                await SendAsync(id, delay: null, cancellation);
                break;
            case ImportProgress.Postponed:
                await SendAsync(id, ImportLimits.Postponement, cancellation);
                break;
        }
    }

    private Task SendAsync(string id, TimeSpan? delay, CancellationToken cancellation) =>
        queue.SendAsync(QueueName.Imports, ImportMessage.Write(id), delay, cancellation);
}
