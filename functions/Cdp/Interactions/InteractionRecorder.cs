using System.Collections.Frozen;
using System.Text.Json;
using Cdp.Collect;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Sources;

namespace Cdp.Interactions;

/// <param name="MessageId">The sender's, or the one that was made.</param>
public sealed record RecordedInteraction(string SourceId, string MessageId);

/// <summary>Takes interactions from sales teams that have no CRM. They go the way of all events.</summary>
/// <remarks>
/// With an API key they are events of the source <c>interactions</c>, which is made by insert when it is first needed: of several that make it
/// at once one does, and whoever dies behind it has made it for the next. The same messageId again counts once, as everywhere.
/// </remarks>
public sealed class InteractionRecorder(Collector collector, SourceStore store, SourceRegistry sources, IdentityRulesRegistry identity, IdGenerator ids)
{
    public const string SourceId = "interactions";

    private static readonly FrozenDictionary<int, Refused> NoneRefused = FrozenDictionary<int, Refused>.Empty;

    /// <param name="source">Of the write key; null: that of API keys.</param>
    /// <exception cref="ProblemException">invalid-field, scope-missing where anybody can have the source's write key, or what collectors refuse.</exception>
    public async Task<RecordedInteraction> RecordAsync(JsonElement body, Source? source, CancellationToken cancellation)
    {
        source ??= await OwnSourceAsync(cancellation);
        if (source.Trust != SourceTrust.Server)
        {
            throw new ProblemException(
                ProblemType.ScopeMissing, $"The source {source.Id} has trust client: anybody can read its write keys in a page. Interactions need a source with trust server, or an API key.");
        }

        var interaction = Interaction.Read(body, await identity.CurrentAsync(cancellation), () => ids.Next(""));
        var collected = await collector.CollectAsync(source, interaction.ToBatch(), NoneRefused, cancellation);
        return collected.Accepted == 1
            ? new RecordedInteraction(source.Id, interaction.MessageId)
            : throw new ProblemException(collected.Rejected[0].Type, collected.Rejected[0].Detail);
    }

    private async Task<Source> OwnSourceAsync(CancellationToken cancellation)
    {
        if (await sources.FindByIdAsync(SourceId, cancellation) is { } known)
            return known;
        await store.PutAsync(new Source(SourceId, "Interactions", "http", Enabled: true, [], Trust: SourceTrust.Server), PutCondition.IsNew, cancellation);
        sources.Expire();
        var (source, _) = await store.GetAsync(SourceId, cancellation) ?? throw new InvalidOperationException("The source was deleted as soon as it was made.");
        return source;
    }
}
