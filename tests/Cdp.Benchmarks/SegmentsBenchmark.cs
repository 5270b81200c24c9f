using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Segments;

namespace Cdp.Benchmarks;

/// <summary>
/// One event against 100 definitions of which 5 match, folded in and evaluated (target: under 20 us without the document codec), against parsing
/// the event's JSON with JsonDocument. And what it allocates with 100 and with 1,000 definitions: what is not concerned must cost nothing.
/// </summary>
internal static class SegmentsBenchmark
{
    private const int Runs = 20_000;
    private const int Matching = 5;

    private static readonly Instant Start = new(1_767_322_800_000);

    public static Task RunAsync()
    {
        foreach (var (title, spread) in new[] { ("5 of them name the event", true), ("all of them name the event, 5 match", false) })
        {
            Console.WriteLine($"-- 100 definitions, {title}");
            var few = new Subject(100, spread);
            var many = new Subject(1_000, spread);
            // Until the runtime has compiled everything for good.
            for (var warmUp = 0; warmUp < 3; warmUp++)
            {
                few.Measure();
                many.Measure();
                few.MeasureStored();
                Subject.MeasureReference();
            }

            for (var round = 1; round <= 3; round++)
            {
                var (ours, bytes) = few.Measure();
                var (ours1000, bytes1000) = many.Measure();
                var reference = Subject.MeasureReference();
                Console.WriteLine(
                    $"round {round}: fold and evaluate {ours:F2} us (target: under 20 us), {bytes:N0} B; JsonDocument {reference:F2} us: {ours / reference:F2} times; with 1,000 definitions {ours1000:F2} us, {bytes1000:N0} B");
            }

            var (stored, withState) = few.MeasureStored();
            Console.WriteLine($"opened from {stored} stored bytes, folded, evaluated, encoded: {withState:F2} us");
        }

        return Task.CompletedTask;
    }

    private sealed class Subject : IProfileTraits
    {
        private static readonly byte[] Json = Encoding.UTF8.GetBytes(
            """
            {"type":"track","messageId":"ajs-next-1767322800000-0e8b4c1f","sourceId":"web","timestamp":"2026-01-02T03:00:00.000Z","originalTimestamp":"2026-01-02T03:00:00.000Z","receivedAt":"2026-01-02T03:00:00.100Z","anonymousId":"7b0c5a1e-8b1c-4f7e-9a43-7f2f9f0c1d11","event":"Product Viewed",
            "properties":{"product_id":"507f1f77bcf86cd799439011","sku":"G-32","category":"outdoor","name":"Tent for two","brand":"Hasbro","variant":"200 pieces","price":118.99,"quantity":1,"currency":"EUR","position":3,"url":"https://www.shop.example/product/tent","image_url":"https://www.shop.example/product/tent.jpg"},
            "context":{"ip":"203.0.113.7","userAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36","locale":"de-DE","library":{"name":"analytics.js","version":"npm:next-1.81.0"},"page":{"path":"/product/tent","referrer":"","search":"","title":"Tent","url":"https://www.shop.example/product/tent"}}}
            """);

        private readonly CompiledDefinitions definitions;
        private readonly Event e = Event.Parse(Json);
        private readonly ProfileSegments warm;

        public Subject(int count, bool spread)
        {
            string[] conditions =
            [
                """{"event":"Product Viewed","where":{"properties.category":{"eq":"outdoor"}},"count":{"gte":2},"within":"90d","on":{"days":["fri","sat","sun"],"timeZone":"Europe/Berlin"}}""",
                """{"event":"Product Viewed","sum":{"properties.price":{"gte":1000}}}""",
                """{"all":[{"event":"Product Viewed","count":{"gte":3},"within":"7d"},{"not":{"event":"Order Completed","within":"14d"}}]}""",
                """{"event":"Product Viewed","where":{"properties.price":{"gt":100}},"last":true,"within":"30d"}""",
                """{"sequence":[{"event":"Product Viewed"},{"not":{"event":"Order Completed"}}],"within":"1h","expires":"7d"}""",
            ];
            var segments = new List<SegmentDefinition>();
            for (var i = 0; i < count; i++)
            {
                var where = i < Matching
                    ? conditions[i]
                    : spread
                        ? $$"""{"event":"Something Else {{i}}","count":{"gte":2},"within":"90d"}"""
                        : $$$"""{"event":"Product Viewed","where":{"properties.category":{"eq":"category {{{i}}}"}},"count":{"gte":2},"within":"90d"}""";
                segments.Add(SegmentDefinition.Parse(Encoding.UTF8.GetBytes($$"""{"id":"s{{i}}","where":{{where}}}""")).Definition!);
            }

            definitions = CompiledDefinitions.Compile(1, segments);
            warm = Prepared();
        }

        public (double Microseconds, long Bytes) Measure()
        {
            // A commit folds few events: what is kept of them does not grow here.
            var microseconds = 0.0;
            long bytes = 0;
            const int batch = 50;
            for (var n = 0; n < Runs / batch; n++)
            {
                var profile = Prepared();
                var before = GC.GetAllocatedBytesForCurrentThread();
                var clock = Stopwatch.GetTimestamp();
                for (var i = 0; i < batch; i++)
                {
                    profile.Apply(e);
                    profile.Evaluate(Start, this);
                }

                microseconds += Stopwatch.GetElapsedTime(clock).TotalMicroseconds;
                bytes += GC.GetAllocatedBytesForCurrentThread() - before;
            }

            return (microseconds / Runs, bytes / Runs);
        }

        public (int Bytes, double Microseconds) MeasureStored()
        {
            var stored = warm.Encode();
            var clock = Stopwatch.GetTimestamp();
            for (var i = 0; i < Runs; i++)
            {
                var profile = ProfileSegments.Open(definitions, stored);
                profile.Apply(e);
                profile.Evaluate(Start, this);
                profile.Encode();
            }

            return (stored.Length, Stopwatch.GetElapsedTime(clock).TotalMicroseconds / Runs);
        }

        public static double MeasureReference()
        {
            var clock = Stopwatch.GetTimestamp();
            for (var i = 0; i < Runs; i++)
            {
                using var document = JsonDocument.Parse(Json);
            }

            return Stopwatch.GetElapsedTime(clock).TotalMicroseconds / Runs;
        }

        public ReadOnlyMemory<byte> Find(string name) => default;

        public ReadOnlyMemory<byte> FindOfGroup(string name) => default;

        /// <summary>A profile that has seen the event and was evaluated whole once.</summary>
        private ProfileSegments Prepared()
        {
            var profile = ProfileSegments.New(definitions);
            profile.Apply(e);
            profile.Evaluate(Start, this);
            return profile;
        }
    }
}
