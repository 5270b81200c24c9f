using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Cdp.Catalog;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.TrackingPlans;

namespace Cdp.Benchmarks;

/// <summary>
/// One event noted for the catalogue, and one checked against a tracking plan, beside reading the same event (<see cref="Event.Parse"/>).
/// </summary>
internal static class CatalogBenchmark
{
    private const int Events = 200_000;
    private const int Rounds = 5;

    private static readonly string[] Categories = ["outdoor", "kitchen", "garden", "toys", "books"];

    public static Task RunAsync()
    {
        var texts = Enumerable.Range(0, 1_000).Select(Order).ToArray();
        var events = texts.Select(text => Event.Parse(text)).ToArray();
        var people = Enumerable.Range(0, 1_000).Select(n => new ProfileId(ProfileId.Prefix + n.ToString().PadLeft(26, '0'))).ToArray();
        var notes = new CatalogNotes();
        var plan = PlanCheck.Of(TrackingPlanDocument.Read(JsonDocument.Parse("""
            {"onViolation":"block","events":[{"event":"Order Completed","properties":[
              {"path":"properties.total","types":["number"],"required":true},{"path":"properties.currency","types":["string"],"required":true},
              {"path":"properties.coupon","types":["string"]},{"path":"properties.products[].sku","types":["string"],"required":true},
              {"path":"properties.products[].price","types":["number"],"required":true}]}]}
            """).RootElement))!;
        var (parse, _) = Measure(i => Event.Parse(texts[i]));
        var (note, noteBytes) = Measure(i => notes.Add(events[i], people[i]));
        var (check, checkBytes) = Measure(i => plan.Check(events[i]));
        var (none, noneBytes) = Measure(_ => PlanCheck.Of(null));
        Console.WriteLine($"an event of {texts[0].Length} bytes with 17 properties: read in {parse:F0} ns");
        Console.WriteLine($"noted in {note:F0} ns, {noteBytes:F1} bytes allocated: {note / parse:F2} of reading it");
        Console.WriteLine($"checked against a plan of 5 properties in {check:F0} ns, {checkBytes:F1} bytes allocated: {check / parse:F2} of reading it (which the check needs besides)");
        Console.WriteLine($"without a plan: {none:F1} ns, {noneBytes:F1} bytes allocated");
        return Task.CompletedTask;
    }

    private static byte[] Order(int i) => Encoding.UTF8.GetBytes($$$"""
        {"type":"track","messageId":"m{{{i}}}","sourceId":"web","timestamp":"2026-01-02T03:04:05.678Z","receivedAt":"2026-01-02T03:04:05.678Z","event":"Order Completed","userId":"u{{{i}}}","properties":{"orderId":"A-{{{i}}}","total":{{{i}}}.5,"currency":"EUR","coupon":null,"gift":false,"placedAt":"2026-01-02T03:04:05Z","email":"ann{{{i}}}@shop.example","products":[{"sku":"S-{{{i % 50}}}","name":"Article {{{i % 50}}}","category":"{{{Categories[i % 5]}}}","price":{{{i % 50}}}.25,"quantity":1},{"sku":"S-1","name":"Article 1","category":"toys","price":9.5,"quantity":2}],"shipping":{"method":"express","city":"Berlin"} } }
        """);

    /// <summary>The best round: the machine is shared.</summary>
    private static (double Nanoseconds, double Bytes) Measure(Action<int> act)
    {
        for (var i = 0; i < 20_000; i++)
            act(i % 1_000);
        var (best, bytes) = (double.MaxValue, double.MaxValue);
        for (var round = 0; round < Rounds; round++)
        {
            var allocated = GC.GetAllocatedBytesForCurrentThread();
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < Events; i++)
                act(i % 1_000);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / Events);
            bytes = Math.Min(bytes, (double)(GC.GetAllocatedBytesForCurrentThread() - allocated) / Events);
        }

        return (best, bytes);
    }
}
