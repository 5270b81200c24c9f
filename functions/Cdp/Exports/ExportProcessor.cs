using Cdp.Identity;
using Cdp.Segments.Definitions;

namespace Cdp.Exports;

/// <summary>
/// Takes messages of the queue <c>exports</c>: each is the id of an export; how far it came stands in its row. What is not finished in one is sent again
/// before it is deleted, so a crash between the two leaves two messages and not none.
/// </summary>
public sealed class ExportProcessor(ExportStore exports, SegmentExporter exporter, ExportStarter starter, DefinitionStore definitions, TimeProvider time)
{
    /// <summary>The work of one message. Each begins with looking for its place, and may end with a part that is shorter than others.</summary>
    public static readonly TimeSpan Allowed = TimeSpan.FromMinutes(2);

    public async Task ProcessAsync(string exportId, CancellationToken cancellation)
    {
        var deadline = new Deadline(time, Allowed);
        if (await exports.GetAsync(exportId, cancellation) is not { } export)
            return;
        if (export.State == ExportState.Running && !export.Request.IsOfAllProfiles
            && !(await definitions.LoadAsync(cancellation)).ById.ContainsKey(export.Request.SegmentId))
        {
            await exports.FailAsync(exportId, "The segment was deleted.", cancellation);
            return;
        }

        if (await exporter.RunAsync(exportId, deadline, cancellation) == ExportProgress.Unfinished)
            await starter.SendAsync(exportId, cancellation);
    }

    /// <summary>The message failed every time. A reader of the export is told; the next one by schedule starts anew.</summary>
    public async Task GiveUpAsync(string exportId, CancellationToken cancellation)
    {
        if (await exports.GetAsync(exportId, cancellation) is not null)
            await exports.FailAsync(exportId, "It failed every time it was tried. Start another one.", cancellation);
    }
}
