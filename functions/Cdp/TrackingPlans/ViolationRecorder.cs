using System.Security.Cryptography;
using System.Text.Json;
using Cdp.Catalog;
using Cdp.Events;
using Cdp.Storage;

namespace Cdp.TrackingPlans;

/// <summary>
/// Counts what contradicts tracking plans in memory and adds it to table <c>catalog</c>, one row a source, when <see cref="FlushAsync"/> is
/// called: together with the catalogue's notes, and with the same guarantees (<see cref="CatalogRecorder"/>).
/// </summary>
/// <remarks>Senders repeat what they were not answered, so an event may be counted more than once.</remarks>
public sealed class ViolationRecorder(IRowStore rows) : IDisposable
{
    private readonly string instance = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
    private readonly Lock gate = new();
    private readonly SemaphoreSlim flushing = new(1, 1);
    private readonly Queue<(string Source, SeenViolations Seen)> sending = [];
    private Dictionary<string, SeenViolations> notes = new(StringComparer.Ordinal);
    private long writes;

    internal void Note(Event e, in Verdict verdict)
    {
        var name = EventNames.IsReserved(verdict.Event) || EventNames.CanBeShown(verdict.Event) ? verdict.Event : EventNames.Other;
        var at = e.ReceivedAt.Milliseconds;
        lock (gate)
        {
            if (!notes.TryGetValue(e.SourceId, out var seen))
                notes.Add(e.SourceId, seen = new SeenViolations());
            foreach (var violation in verdict.Violations)
            {
                seen.Add(new SeenViolation
                {
                    Event = name, Path = violation.Path, Kind = violation.Kind, Count = 1, Blocked = verdict.IsBlocked ? 1 : 0, First = at, Last = at, MessageId = e.MessageId,
                });
            }
        }
    }

    /// <summary>Writes what was counted since the last time. What cannot be written stays for the next time.</summary>
    public async Task FlushAsync(CancellationToken cancellation)
    {
        await flushing.WaitAsync(cancellation);
        try
        {
            await SendAsync(cancellation);
            lock (gate)
            {
                foreach (var (source, seen) in notes)
                    sending.Enqueue((source, seen));
                if (notes.Count > 0)
                    notes = new Dictionary<string, SeenViolations>(StringComparer.Ordinal);
            }

            await SendAsync(cancellation);
        }
        finally
        {
            flushing.Release();
        }
    }

    /// <summary>What contradicted the plan of a source, the last first. This instance's counts are written before.</summary>
    public async Task WriteAsync(Utf8JsonWriter json, string source, CancellationToken cancellation)
    {
        await FlushAsync(cancellation);
        var row = await rows.GetAsync(TableName.Catalog, CatalogRows.Violations, source, cancellation);
        json.WriteStartObject();
        json.WriteStartArray("data"u8);
        var seen = (row is null ? null : CatalogRows.TryRead(row, CatalogJson.Compact.SeenViolations)) ?? new SeenViolations();
        foreach (var item in seen.Items.OrderByDescending(item => item.Last))
        {
            json.WriteStartObject();
            json.WriteString("event"u8, item.Event);
            json.WriteString("path"u8, item.Path);
            json.WriteString("kind"u8, item.Kind);
            json.WriteNumber("count"u8, item.Count);
            json.WriteNumber("blocked"u8, item.Blocked);
            json.WriteString("firstSeenAt"u8, new Instant(item.First).ToString());
            json.WriteString("lastSeenAt"u8, new Instant(item.Last).ToString());
            if (item.MessageId is not null)
                json.WriteString("messageId"u8, item.MessageId);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Without a plan nothing contradicts it.</summary>
    public async Task ForgetAsync(string source, CancellationToken cancellation)
    {
        // Refused where there is none.
        await rows.CommitAsync(TableName.Catalog, CatalogRows.Violations, [RowWrite.Delete(source)], cancellation);
    }

    public void Dispose() => flushing.Dispose();

    private async Task SendAsync(CancellationToken cancellation)
    {
        while (sending.TryPeek(out var next))
        {
            var (source, seen) = next;
            // Stays the same until the write is known to have taken effect.
            if (seen.Write == 0)
                seen.Write = ++writes;
            await CatalogRows.ChangeAsync(
                rows, CatalogRows.Violations, source,
                row =>
                {
                    var there = (row is null ? null : CatalogRows.TryRead(row, CatalogJson.Compact.SeenViolations)) ?? new SeenViolations();
                    if (there.By == instance && there.Write == seen.Write)
                        return null;
                    foreach (var item in seen.Items)
                        there.Add(item);
                    (there.By, there.Write) = (instance, seen.Write);
                    return JsonSerializer.SerializeToUtf8Bytes(there, CatalogJson.Compact.SeenViolations);
                },
                cancellation);
            sending.Dequeue();
        }
    }
}
