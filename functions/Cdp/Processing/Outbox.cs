using System.Text.Json;
using System.Text.Json.Serialization;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Stats;
using Cdp.Storage;

namespace Cdp.Processing;

/// <summary>Something that has to leave because of a commit: a message for a queue.</summary>
public sealed record Effect(QueueName Queue, string Body);

/// <summary>
/// Effects are written complete in the transaction of the commit that causes them, sent after it, and deleted once they are in their queue.
/// A crash in between leaves the row, and <see cref="SweepAsync"/> sends it again: effects may repeat, under the same ids, and never get lost.
/// </summary>
public sealed class Outbox(IRowStore rows, IMessageQueue queue, TimeProvider time)
{
    /// <summary>Rows younger than this are still in the hands of the worker that wrote them.</summary>
    public static readonly TimeSpan SweepAge = TimeSpan.FromSeconds(60);

    // Few, so that live traffic keeps its latency.
    private const int SweptAtOnce = 4;

    /// <summary>
    /// Adds their row to the commit that leads to <paramref name="version"/> of the profile. Once it is committed they are sent by <see cref="DispatchAsync(StagedEffects?,
    /// CancellationToken)"/>; who dies in between, or cannot reach the queue, leaves the row to the sweep.
    /// </summary>
    /// <returns>Null where nothing has to leave: no row then.</returns>
    public StagedEffects? Stage(ProfileId profile, long version, CommitEffects effects, List<RowWrite> writes)
    {
        if (effects.All.Count == 0)
            return null;
        var key = ProfileRows.Outbox(profile, Instant.Now(time), version);
        writes.Add(RowWrite.Insert(key, JsonSerializer.SerializeToUtf8Bytes(effects.All, OutboxJson.Default.IReadOnlyListEffect)));
        return new StagedEffects(profile, key, effects.All);
    }

    /// <summary>Sends what was committed, if there was anything, and deletes its row.</summary>
    public Task DispatchAsync(StagedEffects? staged, CancellationToken cancellation) =>
        staged is null ? Task.CompletedTask : DispatchAsync(staged.Profile.Shard, staged.Key, staged.Effects, cancellation);

    private async Task DispatchAsync(string shard, string key, IReadOnlyList<Effect> effects, CancellationToken cancellation)
    {
        foreach (var effect in effects)
            await queue.SendAsync(effect.Queue, effect.Body, delay: null, cancellation);
        // Refused where a sweep was quicker, which has then sent them too: receivers know the ids.
        await rows.CommitAsync(TableName.Profiles, shard, [RowWrite.Delete(key)], cancellation);
    }

    /// <summary>Sends what workers left behind, in all shards. Two sweeps at once only send twice.</summary>
    public Task SweepAsync(CancellationToken cancellation) =>
        Parallel.ForAsync(0, ProfileId.Shards, new ParallelOptions { MaxDegreeOfParallelism = SweptAtOnce, CancellationToken = cancellation },
            async (shard, token) => await SweepAsync(ProfileId.ShardName(shard), token));

    /// <summary>Sends what a worker left behind in one shard. Returns how many rows there were.</summary>
    public async Task<int> SweepAsync(string shard, CancellationToken cancellation)
    {
        var swept = 0;
        List<Exception>? errors = null;
        var (from, to) = ProfileRows.OutboxBefore(Instant.Now(time).Plus(-SweepAge));
        await foreach (var row in rows.RangeAsync(TableName.Profiles, shard, from, to, pageSize: 100, cancellation))
        {
            try
            {
                var effects = JsonSerializer.Deserialize(row.Data.Span, OutboxJson.Default.IReadOnlyListEffect)
                    ?? throw new InvalidDataException($"The outbox row {row.Key} is empty.");
                await DispatchAsync(shard, row.Key, effects, cancellation);
                swept++;
            }
            catch (Exception exception) when (exception is JsonException or InvalidDataException)
            {
                // One row that cannot be read, of a newer version of the app perhaps, does not hold up the others.
                (errors ??= []).Add(exception);
            }
        }

        if (errors is not null)
            throw new AggregateException($"{errors.Count} outbox rows of shard {shard} cannot be read.", errors);

        Telemetry.Swept(swept);
        return swept;
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(IReadOnlyList<Effect>))]
internal sealed partial class OutboxJson : JsonSerializerContext;
