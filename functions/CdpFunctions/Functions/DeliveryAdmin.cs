using Cdp.Access;
using Cdp.Deliveries;
using Cdp.Destinations;
using Cdp.Events;
using Cdp.Ids;
using Cdp.Problems;
using Cdp.Reading;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>What was sent to a destination, what waits, and what was given up; sent again on demand.</summary>
public sealed class DeliveryAdmin(ApiAccess access, DestinationStore destinations, DeliveryStore deliveries, DeliveryRedriver redriver, Cursors cursors, TimeProvider time)
{
    // Looked at for a page: with a filter a page may be short, even empty, and say where to go on.
    private const int MostLooked = 5_000;

    private const int LongestText = 100;

    [Function("ListDeliveries")]
    public Task<IResult> List([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/destinations/{id}/deliveries")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            await DestinationAdmin.FindAsync(destinations, request, id);
            var cancellation = request.HttpContext.RequestAborted;
            var state = ListQuery.Text(request, "state") is { } name ? StateOf(name) : (DeliveryState?)null;
            var (from, to) = (ListQuery.Time(request, "from"), ListQuery.Time(request, "to"));
            var limit = ListQuery.Limit(request);
            var scope = Cursors.Scope("deliveries", id, state?.Name() ?? "", from?.ToString() ?? "", to?.ToString() ?? "");
            var after = await cursors.ReadAsync(scope, ListQuery.Cursor(request), parts: 1, cancellation);
            var page = new List<Delivery>();
            string? last = null;
            string? next = null;
            var looked = 0;
            await foreach (var delivery in deliveries.ListAsync(id, from, to, after?[0], cancellation))
            {
                if (page.Count == limit || looked == MostLooked)
                {
                    next = await cursors.WriteAsync(scope, [last!], cancellation);
                    break;
                }

                looked++;
                last = delivery.Id;
                if (state is null || delivery.State == state)
                    page.Add(delivery);
            }

            return JsonAnswer.Of(json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("data"u8);
                foreach (var delivery in page)
                    DeliveryDocument.Write(json, delivery);
                json.WriteEndArray();
                if (next is not null)
                    json.WriteString("next"u8, next);
                json.WriteEndObject();
            });
        });

    [Function("GetDelivery")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/destinations/{id}/deliveries/{deliveryId}")] HttpRequest request, string id, string deliveryId) =>
        access.To(request, Scope.Admin, async () =>
        {
            await DestinationAdmin.FindAsync(destinations, request, id);
            return IdGenerator.IsId(deliveryId, Delivery.IdPrefix) && await deliveries.FindAsync(id, deliveryId, request.HttpContext.RequestAborted) is { } delivery
                ? JsonAnswer.Of(json => DeliveryDocument.Write(json, delivery))
                : throw NotFound();
        });

    [Function("RedriveDelivery")]
    public Task<IResult> Redrive(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/destinations/{id}/deliveries/{deliveryId}/redrive")] HttpRequest request, string id, string deliveryId) =>
        access.To(request, Scope.Admin, async () =>
        {
            await DestinationAdmin.FindAsync(destinations, request, id);
            return IdGenerator.IsId(deliveryId, Delivery.IdPrefix) && await redriver.RedriveAsync(id, deliveryId, request.HttpContext.RequestAborted)
                ? Results.StatusCode(StatusCodes.Status202Accepted)
                : throw NotFound();
        });

    [Function("RedriveDeliveries")]
    public Task<IResult> RedriveRange([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/destinations/{id}/deliveries/redrive")] HttpRequest request, string id) =>
        access.To(request, Scope.Admin, async () =>
        {
            var fields = new JsonFields(await JsonBody.ReadObjectAsync(request));
            var state = fields.Text("state", LongestText) ?? DeliveryState.Dead.Name();
            var from = TimeOf(fields, "from");
            var to = TimeOf(fields, "to");
            if (state is not ("dead" or "held" or "delivered"))
                fields.Refuse("state", "none of dead, held, delivered");
            fields.RefuseOthers();
            fields.ThrowIfInvalid();
            await DestinationAdmin.FindAsync(destinations, request, id);
            await redriver.BeginAsync(id, StateOf(state), from ?? new Instant(0), to ?? Instant.Now(time).Plus(TimeSpan.FromMinutes(1)), request.HttpContext.RequestAborted);
            return Results.StatusCode(StatusCodes.Status202Accepted);
        });

    private static Instant? TimeOf(JsonFields fields, string name)
    {
        if (fields.Text(name, LongestText, required: true) is not { } text)
            return null;
        if (IsoTime.TryParse(System.Text.Encoding.UTF8.GetBytes(text), out var time))
            return time;
        fields.Refuse(name, "not an ISO 8601 time such as 2026-01-02T03:04:05.678Z");
        return null;
    }

    private static DeliveryState StateOf(string name) => DeliveryStates.Parse(name) ?? throw new ProblemException(new Problem(
        ProblemType.InvalidField, $"The state is none of {string.Join(", ", DeliveryStates.Names)}.", [new ProblemError("state", "unknown")]));

    private static ProblemException NotFound() => new(ProblemType.NotFound, "The destination has no such delivery.");
}
