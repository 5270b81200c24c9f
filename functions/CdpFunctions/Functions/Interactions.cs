using Cdp.Access;
using Cdp.Interactions;
using Cdp.Problems;
using Cdp.Reading;
using Cdp.Sources;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>What passes between persons and the company's people: noted down, and read as one history.</summary>
public sealed class Interactions(
    ApiAccess access, InteractionRecorder recorder, SourceRegistry sources, ProfileReader profiles, TimelineReader timelines)
{
    /// <summary>With an API key, or the write key of a server: a write key that pages show would let anybody write on anybody's timeline.</summary>
    [Function("RecordInteraction")]
    public Task<IResult> Record([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/interactions")] HttpRequest request) => Answer.To(request, async () =>
    {
        var source = await SourceAsync(request);
        var recorded = await recorder.RecordAsync(await JsonBody.ReadObjectAsync(request), source, request.HttpContext.RequestAborted);
        return JsonAnswer.Of(json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("success"u8, true);
            json.WriteString("sourceId"u8, recorded.SourceId);
            json.WriteString("messageId"u8, recorded.MessageId);
            json.WriteEndObject();
        });
    });

    [Function("GetProfileInteractions")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/profiles/{key}/interactions")] HttpRequest request, string key) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var aborted = request.HttpContext.RequestAborted;
            var known = await sources.SnapshotAsync(aborted);
            var none = new HashSet<string>();
            var query = new TimelineQuery(
                none, new HashSet<Cdp.Events.EventType>(), ListQuery.Time(request, "from"), ListQuery.Time(request, "to"), ListQuery.Limit(request), ListQuery.Cursor(request))
            {
                Kinds = Kinds(request),
                // A page's events say what they like.
                IsBelieved = id => known(id) is not { Trust: SourceTrust.Client, Mapping: null },
            };
            var (found, page) = await profiles.ReadAsync(key, profile => timelines.ReadAsync(profile, query, aborted), aborted);
            ProfileReads.TellMergedFrom(request, found);
            return JsonAnswer.Of(json => InteractionJson.WritePage(json, page));
        });

    private static IReadOnlySet<string> Kinds(HttpRequest request)
    {
        var kinds = ListQuery.Texts(request, "kind");
        foreach (var kind in kinds)
        {
            if (!InteractionKinds.All.Contains(kind))
            {
                var reason = "none of " + string.Join(", ", InteractionKinds.All);
                throw new ProblemException(new Problem(ProblemType.InvalidField, $"The query parameter 'kind' is {reason}.", [new ProblemError("kind", reason)]));
            }
        }

        return kinds;
    }

    /// <summary>Null with an API key. What is known is looked at first: only a wrong key waits for others to be read anew.</summary>
    private async Task<Source?> SourceAsync(HttpRequest request)
    {
        var aborted = request.HttpContext.RequestAborted;
        var key = CollectorRequest.WriteKey(request);
        if (key is not null && await sources.FindKnownAsync(key, aborted) is { } source)
            return source;
        if (await access.HasAsync(request, Scope.InteractionsWrite))
            return null;
        return key is not null && await sources.FindAsync(key, aborted) is { } found
            ? found
            : throw ApiAccess.Unknown(request, "The call needs an API key with the scope interactions:write, or the write key of a source with trust server.");
    }
}
