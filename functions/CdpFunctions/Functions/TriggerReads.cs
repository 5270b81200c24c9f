using System.Globalization;
using Cdp.Access;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Reading;
using Cdp.Triggers;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>What triggers decided, and why.</summary>
public sealed class TriggerReads(ApiAccess access, TriggerStore store, TriggerLog log, ProfileReader profiles, Cursors cursors)
{
    // Looked at for a page: with a filter a page may be short, even empty, and say where to go on.
    private const int MostLooked = 5_000;

    [Function("GetTriggerLog")]
    public Task<IResult> Log([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/triggers/{id}/log")] HttpRequest request, string id) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            if (await store.GetAsync(id, cancellation) is null)
                throw new ProblemException(ProblemType.NotFound, "There is no trigger of this id.");
            if (ListQuery.Text(request, "profile") is { } key)
                return await PersonAsync(request, key, id);
            return await PageAsync(
                request, ["trigger-log", id], (from, to, after) => log.OfTriggerAsync(id, from, to, after, cancellation), static d => d.ProfileId, static _ => true);
        });

    [Function("GetProfileTriggers")]
    public Task<IResult> OfProfile([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/profiles/{key}/triggers")] HttpRequest request, string key) =>
        access.To(request, Scope.ProfilesRead, () => PersonAsync(request, key, trigger: null));

    private async Task<IResult> PersonAsync(HttpRequest request, string key, string? trigger)
    {
        var cancellation = request.HttpContext.RequestAborted;
        var found = await profiles.FindAsync(key, cancellation);
        if (found.MergedFrom is { } old)
            request.HttpContext.Response.Headers["Cdp-Merged-From"] = old.Value;
        var ids = Person.Ids(found);
        // Of the key, not of the id that it leads to: a merge between two pages is no reason to refuse the cursor.
        return await PageAsync(
            request, ["profile-triggers", key, trigger ?? ""], (from, to, after) => log.OfPersonAsync(ids, from, to, after, cancellation), static d => d.TriggerId,
            decision => trigger is null || decision.TriggerId == trigger);
    }

    private async Task<IResult> PageAsync(
        HttpRequest request, string[] list, Func<Instant?, Instant?, (Instant, string, string)?, IAsyncEnumerable<TriggerDecision>> read, Func<TriggerDecision, string> middle,
        Func<TriggerDecision, bool> isMeant)
    {
        var cancellation = request.HttpContext.RequestAborted;
        var (from, to, outcome, limit) = (ListQuery.Time(request, "from"), ListQuery.Time(request, "to"), Outcome(request), ListQuery.Limit(request));
        var scope = Cursors.Scope([.. list, outcome ?? "", from?.ToString() ?? "", to?.ToString() ?? ""]);
        var after = await cursors.ReadAsync(scope, ListQuery.Cursor(request), parts: 3, cancellation);
        var position = after is null ? ((Instant, string, string)?)null : (new Instant(long.Parse(after[0], CultureInfo.InvariantCulture)), after[1], after[2]);
        var page = new List<TriggerDecision>();
        TriggerDecision? last = null;
        string? next = null;
        var looked = 0;
        await foreach (var decision in read(from, to, position))
        {
            if (page.Count == limit || looked == MostLooked)
            {
                next = await cursors.WriteAsync(scope, [last!.At.Milliseconds.ToString(CultureInfo.InvariantCulture), middle(last), last.Hash], cancellation);
                break;
            }

            looked++;
            last = decision;
            if ((outcome is null || decision.Outcome == outcome) && isMeant(decision))
                page.Add(decision);
        }

        return JsonAnswer.Of(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("data"u8);
            foreach (var decision in page)
                TriggerDocument.Write(json, decision);
            json.WriteEndArray();
            if (next is not null)
                json.WriteString("next"u8, next);
            json.WriteEndObject();
        });
    }

    private static string? Outcome(HttpRequest request)
    {
        var outcome = ListQuery.Text(request, "outcome");
        return outcome is null or TriggerDecision.Sent or TriggerDecision.Held or TriggerDecision.Waiting
            ? outcome
            : throw new ProblemException(new Problem(ProblemType.InvalidField, "The outcome is none of sent, held, waiting.", [new ProblemError("outcome", "unknown")]));
    }
}
