using System.Text.Json;
using Cdp.Access;
using Cdp.Deliveries;
using Cdp.Destinations;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Reading;
using Cdp.Sources;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Destinations: systems that are told of changes.</summary>
public sealed class DestinationAdmin(
    ApiAccess access, DestinationStore store, DestinationRegistry registry, DestinationTypes types, SecretVault secrets, DeliveryStore deliveries, DestinationTester tester,
    Cursors cursors, TimeProvider time)
{
    private const int LongestKey = 2000;

    private static readonly string ListScope = Cursors.Scope("destinations");

    [Function("PutDestination")]
    public Task<IResult> Put([HttpTrigger(AuthorizationLevel.Anonymous, "put", Route = "v1/destinations/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            CheckId(id);
            var cancellation = request.HttpContext.RequestAborted;
            var body = await JsonBody.ReadObjectAsync(request);
            var (destination, version, created) = await store.ChangeAsync(
                id,
                async (present, version) =>
                {
                    Conditions.Check(request, version);
                    var (read, given) = DestinationDocument.Read(id, body, present, types);
                    return given.Count == 0 ? read : read with { Secrets = await KeepAsync(read, given, cancellation) };
                },
                cancellation);
            registry.Expire();
            return await DocumentAsync(destination, version, created ? StatusCodes.Status201Created : StatusCodes.Status200OK, cancellation);
        });

    [Function("GetDestination")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/destinations/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var (destination, version) = await FindAsync(store, request, id);
            return await DocumentAsync(destination, version, StatusCodes.Status200OK, request.HttpContext.RequestAborted);
        });

    [Function("ListDestinations")]
    public Task<IResult> List([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/destinations")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            var all = await store.ListAsync(request.HttpContext.RequestAborted);
            return await ListQuery.PageAsync(
                request, cursors, ListScope, parts: 1, after => all.Where(d => after is null || string.CompareOrdinal(d.Id, after[0]) > 0).ToAsyncEnumerable(),
                destination => [destination.Id], (json, destination) => DestinationDocument.Write(json, destination));
        });

    /// <summary>It is gone at once; its deliveries are removed within a day.</summary>
    [Function("DeleteDestination")]
    public Task<IResult> Delete([HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/destinations/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            if (await store.GetAsync(id, cancellation) is not { } found)
            {
                if (request.Headers.IfMatch.Count > 0)
                    Conditions.Check(request, null);
                return Results.NoContent();
            }

            await store.ChangeAsync(
                id,
                (present, version) =>
                {
                    if (request.Headers.IfMatch.Count > 0)
                        Conditions.Check(request, version);
                    // The secrets go now.
                    return Task.FromResult((present ?? found.Destination) with { DeletedAt = Instant.Now(time), Secrets = new Dictionary<string, StoredSecret>(StringComparer.Ordinal), Subscriptions = [] });
                },
                cancellation);
            registry.Expire();
            return Results.NoContent();
        });

    [Function("TestDestination")]
    public Task<IResult> Test([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/destinations/{id}/test")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var (profile, subscription) = request.ContentLength == 0 ? (null, 0) : Asked(new JsonFields(await JsonBody.ReadObjectAsync(request)));
            var (destination, _) = await FindAsync(store, request, id);
            var test = await tester.TestAsync(destination, profile, subscription, request.HttpContext.RequestAborted);
            return JsonAnswer.Of(json => DeliveryDocument.Write(json, test));
        });

    /// <exception cref="ProblemException">not-found</exception>
    internal static async Task<(Destination Destination, string Version)> FindAsync(DestinationStore store, HttpRequest request, string id) =>
        await store.GetAsync(id, request.HttpContext.RequestAborted) ?? throw new ProblemException(ProblemType.NotFound, "There is no destination of this id.");

    private static (string? Profile, int Subscription) Asked(JsonFields fields)
    {
        var profile = fields.Text("profile", LongestKey);
        var subscription = fields.Whole("subscription", 0, 1000);
        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        return (profile, subscription ?? 0);
    }

    private async Task<Dictionary<string, StoredSecret>> KeepAsync(Destination destination, IReadOnlyDictionary<string, SecretInput> given, CancellationToken cancellation)
    {
        var kept = new Dictionary<string, StoredSecret>(destination.Secrets, StringComparer.Ordinal);
        foreach (var (name, secret) in given)
            kept[name] = secret.Setting is { } setting ? secrets.Refer(setting) : await secrets.SealAsync(destination.Id, name, secret.Value!, cancellation);
        return kept;
    }

    private async Task<JsonAnswer> DocumentAsync(Destination destination, string version, int status, CancellationToken cancellation)
    {
        var pending = deliveries.CountPendingAsync(destination.Id, cancellation);
        var health = await deliveries.HealthAsync(destination.Id, cancellation);
        var counted = await pending;
        return JsonAnswer.Of(
            json => DestinationDocument.Write(json, destination, rest => DeliveryDocument.WriteHealth(rest, health, counted, Instant.Now(time))), status, Conditions.ETag(version));
    }

    private static void CheckId(string id)
    {
        if (!SourceIds.IsValid(id))
        {
            const string reason = "not lower-case letters, digits and hyphens, at most 63, the first no hyphen, and none of preview, schema, overlap, lookup";
            throw new ProblemException(new Problem(ProblemType.InvalidField, $"The destination's id is {reason}.", [new ProblemError("id", reason)]));
        }
    }
}
