using System.Text.Json;
using Cdp.Destinations;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Segments.Definitions;
using Cdp.Segments.Language;
using Cdp.Storage;

namespace Cdp.Triggers;

/// <summary>
/// Triggers and channels in table <c>config</c>, partition <c>definitions</c>, beside the segments: <c>g|{trigger}</c> and <c>c|{channel}</c>. A trigger on a sequence owns
/// a segment that nobody sees (<see cref="DefinitionIds.OfTrigger"/>), so that it means exactly what segments mean; both are written in one transaction.
/// </summary>
/// <remarks>
/// A trigger that is deleted stays as a note until its log is removed; to everybody else it is gone. Its segment goes at once, and with it, silently, who is in it.
/// </remarks>
public sealed class TriggerStore(IRowStore rows, DefinitionStore definitions, DestinationStore destinations, TimeProvider time)
{
    private const string TriggerPrefix = "g|";
    private const string ChannelPrefix = "c|";
    private const int PageSize = 1000;

    // Somebody else would have to write between read and write as often as this.
    private const int MostTries = 10;

    public async Task<(Trigger Trigger, string Version)?> GetAsync(string id, CancellationToken cancellation) =>
        await FindAsync(id, cancellation) is { Trigger.DeletedAt: null } found ? found : null;

    /// <summary>By id; those that are deleted too.</summary>
    public async Task<IReadOnlyList<(Trigger Trigger, string Version)>> AllAsync(CancellationToken cancellation)
    {
        var all = new List<(Trigger, string)>();
        await foreach (var row in rows.RangeAsync(TableName.Config, DefinitionStore.Partition, TriggerPrefix, TriggerPrefix + "~", PageSize, cancellation))
            all.Add((ReadTrigger(row), row.Version));
        return all;
    }

    /// <summary>By id.</summary>
    public async Task<IReadOnlyList<Trigger>> ListAsync(CancellationToken cancellation) =>
        [.. (await AllAsync(cancellation)).Select(static t => t.Trigger).Where(static t => t.DeletedAt is null)];

    /// <param name="condition">Is shown the version that is there, null for none; throws where the caller does not want it.</param>
    /// <exception cref="ProblemException">invalid-field: it names a destination, a segment or a channel that there is not, or there are too many.</exception>
    public async Task<(Trigger Trigger, string Version, bool Created)> PutAsync(Trigger trigger, Action<string?> condition, CancellationToken cancellation)
    {
        var written = trigger;
        var created = false;
        var version = await definitions.ChangeOwnedAsync(
            DefinitionIds.OfTrigger(trigger.Id),
            async set =>
            {
                var present = await FindAsync(trigger.Id, cancellation);
                var isThere = present is { Trigger.DeletedAt: null };
                condition(isThere ? present!.Value.Version : null);
                await CheckAsync(trigger, set, isThere, cancellation);
                created = !isThere;
                written = isThere ? trigger with { CreatedAt = present!.Value.Trigger.CreatedAt } : trigger;
                var data = JsonSerializer.SerializeToUtf8Bytes(written, TriggerJson.Default.Trigger);
                var key = TriggerPrefix + trigger.Id;
                return (present is { } found ? RowWrite.Replace(key, data, found.Version) : RowWrite.Insert(key, data), trigger.On.Kind == TriggerKind.Sequence ? Where(trigger.On) : null, trigger.On.SegmentId is not null);
            },
            cancellation);
        return (written, version!, created);
    }

    /// <summary>Also done where there is none.</summary>
    public async Task DeleteAsync(string id, Action<string?> condition, CancellationToken cancellation)
    {
        if (!DefinitionIds.IsValid(id))
            return;
        await definitions.ChangeOwnedAsync(
            DefinitionIds.OfTrigger(id),
            async _ =>
            {
                var present = await FindAsync(id, cancellation);
                condition(present is { Trigger.DeletedAt: null } there ? there.Version : null);
                if (present is not { Trigger.DeletedAt: null } found)
                    return null;
                var note = found.Trigger with { DeletedAt = Instant.Now(time), Enabled = false };
                return (RowWrite.Replace(TriggerPrefix + id, JsonSerializer.SerializeToUtf8Bytes(note, TriggerJson.Default.Trigger), found.Version), null, false);
            },
            cancellation);
    }

    /// <summary>The note of a deletion goes where nothing is left; false where the id has been taken again.</summary>
    public async Task<bool> ForgetAsync(string id, string version, CancellationToken cancellation) =>
        (await rows.CommitAsync(TableName.Config, DefinitionStore.Partition, [RowWrite.Delete(TriggerPrefix + id, version)], cancellation)).Committed;

    public async Task<(Channel Channel, string Version)?> GetChannelAsync(string id, CancellationToken cancellation) =>
        DefinitionIds.IsValid(id) && await rows.GetAsync(TableName.Config, DefinitionStore.Partition, ChannelPrefix + id, cancellation) is { } row
            ? (ReadChannel(row), row.Version)
            : null;

    /// <summary>By id.</summary>
    public async Task<IReadOnlyList<Channel>> ListChannelsAsync(CancellationToken cancellation)
    {
        var all = new List<Channel>();
        await foreach (var row in rows.RangeAsync(TableName.Config, DefinitionStore.Partition, ChannelPrefix, ChannelPrefix + "~", PageSize, cancellation))
            all.Add(ReadChannel(row));
        return all;
    }

    public async Task<(Channel Channel, string Version, bool Created)> PutChannelAsync(Channel channel, Action<string?> condition, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var present = await GetChannelAsync(channel.Id, cancellation);
            condition(present?.Version);
            if (present is null && (await ListChannelsAsync(cancellation)).Count >= TriggerLimits.MostChannels)
                throw Invalid("id", $"one of more than {TriggerLimits.MostChannels} channels: delete one first");
            var written = present is { } there ? channel with { CreatedAt = there.Channel.CreatedAt } : channel;
            var data = JsonSerializer.SerializeToUtf8Bytes(written, TriggerJson.Default.Channel);
            var write = present is { } found ? RowWrite.Replace(ChannelPrefix + channel.Id, data, found.Version) : RowWrite.Insert(ChannelPrefix + channel.Id, data);
            var result = await rows.CommitAsync(TableName.Config, DefinitionStore.Partition, [write], cancellation);
            if (result.Committed)
                return (written, result.Versions[0]!, present is null);
        }

        throw new ConflictException($"The channel {channel.Id} was changed by others {MostTries} times in a row.");
    }

    /// <summary>Also done where there is none. Triggers that use it send nothing from then on, and say so in their logs.</summary>
    public async Task DeleteChannelAsync(string id, Action<string?> condition, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var present = await GetChannelAsync(id, cancellation);
            condition(present?.Version);
            if (present is not { } found)
                return;
            if ((await rows.CommitAsync(TableName.Config, DefinitionStore.Partition, [RowWrite.Delete(ChannelPrefix + id, found.Version)], cancellation)).Committed)
                return;
        }

        throw new ConflictException($"The channel {id} was changed by others {MostTries} times in a row.");
    }

    /// <summary>The triggers that are set off by a segment: it cannot be deleted.</summary>
    internal static async Task<IReadOnlyList<string>> UsersOfAsync(IRowStore rows, string segment, CancellationToken cancellation)
    {
        var users = new List<string>();
        await foreach (var row in rows.RangeAsync(TableName.Config, DefinitionStore.Partition, TriggerPrefix, TriggerPrefix + "~", PageSize, cancellation))
        {
            if (ReadTrigger(row) is { DeletedAt: null } trigger && trigger.On.SegmentId == segment)
                users.Add($"the trigger {trigger.Id}");
        }

        return users;
    }

    /// <summary>The sequence as a condition of a segment: one that does not say when it is over is over a day later, so that it can come about again.</summary>
    internal static JsonElement Where(TriggerOn on)
    {
        var sequence = on.Json!.Value;
        if (sequence.TryGetProperty("expires", out _))
            return sequence;
        var within = sequence.TryGetProperty("within", out var text) && text.ValueKind == JsonValueKind.String && Duration.TryParse(text.GetString()!, out var span) ? span : default;
        var isAbsence = sequence.GetProperty("sequence").EnumerateArray().Last().TryGetProperty("not", out _);
        // An absence is over so long after its first step, a sequence after its last one.
        var expires = new Duration((isAbsence ? within.Milliseconds : 0) + (long)TriggerLimits.Expires.TotalMilliseconds);
        using var data = new MemoryStream();
        using (var json = new Utf8JsonWriter(data))
        {
            json.WriteStartObject();
            foreach (var member in sequence.EnumerateObject())
                member.WriteTo(json);
            json.WriteString("expires"u8, expires.ToString());
            json.WriteEndObject();
        }

        using var document = JsonDocument.Parse(data.GetBuffer().AsMemory(0, (int)data.Length));
        return document.RootElement.Clone();
    }

    private async Task<(Trigger Trigger, string Version)?> FindAsync(string id, CancellationToken cancellation) =>
        DefinitionIds.IsValid(id) && await rows.GetAsync(TableName.Config, DefinitionStore.Partition, TriggerPrefix + id, cancellation) is { } row
            ? (ReadTrigger(row), row.Version)
            : null;

    private async Task CheckAsync(Trigger trigger, DefinitionSet set, bool isThere, CancellationToken cancellation)
    {
        var errors = new List<ProblemError>();
        if (trigger.On.SegmentId is { } segment && !set.ById.ContainsKey(segment))
            errors.Add(new ProblemError("on.segment", $"there is no segment '{segment}': make it with PUT /v1/segments/{{id}} first"));
        if (await destinations.GetAsync(trigger.Send.Destination, cancellation) is null)
            errors.Add(new ProblemError("send.destination", $"there is no destination '{trigger.Send.Destination}': make it with PUT /v1/destinations/{{id}} first"));
        if (trigger.Channel is { } channel && await GetChannelAsync(channel, cancellation) is null)
            errors.Add(new ProblemError("channel", $"there is no channel '{channel}': make it with PUT /v1/channels/{{id}} first"));
        if (!isThere && (await ListAsync(cancellation)).Count >= TriggerLimits.MostTriggers)
            errors.Add(new ProblemError("id", $"one of more than {TriggerLimits.MostTriggers} triggers: delete one first"));
        if (errors.Count > 0)
            throw new ProblemException(new Problem(ProblemType.InvalidField, $"The trigger cannot be taken. {string.Join("; ", errors.Select(static e => $"{e.Path}: {e.Reason}"))}.", errors));
    }

    private static ProblemException Invalid(string path, string reason) =>
        new(new Problem(ProblemType.InvalidField, $"The body has fields that cannot be taken. {path}: {reason}.", [new ProblemError(path, reason)]));

    private static Trigger ReadTrigger(Row row) => JsonSerializer.Deserialize(row.Data.Span, TriggerJson.Default.Trigger)
        ?? throw new InvalidDataException("The row of a trigger is null.");

    private static Channel ReadChannel(Row row) => JsonSerializer.Deserialize(row.Data.Span, TriggerJson.Default.Channel)
        ?? throw new InvalidDataException("The row of a channel is null.");
}
