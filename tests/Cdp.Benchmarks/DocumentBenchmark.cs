using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Profiles;

namespace Cdp.Benchmarks;

/// <summary>
/// Decode, fold and encode of a 50 KB document (target: within 1 ms), against parsing and writing the same content as JSON with JsonNode.
/// </summary>
internal static class DocumentBenchmark
{
    private const int Size = 50 * 1024;
    private const int Runs = 2_000;

    public static Task RunAsync()
    {
        var id = ProfileId.New(new IdGenerator(TimeProvider.System));
        var profile = new Profile(id);
        var random = new Random(1);
        var json = new JsonObject();
        var length = 0;
        for (var i = 0; length < Size; i++)
        {
            var value = $"\"{Convert.ToHexString(BitConverter.GetBytes(random.NextInt64()))} some text of a trait {i % 13}\"";
            var message = $"{random.NextInt64():x16}-{random.NextInt64():x16}";
            var trait = new Trait(Encoding.UTF8.GetBytes(value), new Instant(1_760_000_000_000 + random.Next()), message, "web");
            profile.Traits[$"trait_{i}"] = trait;
            json[$"trait_{i}"] = new JsonObject { ["value"] = JsonNode.Parse(value), ["at"] = trait.At.Milliseconds, ["messageId"] = message, ["sourceId"] = "web" };
            length += value.Length + message.Length + 20;
        }

        var e = Event.Parse(Encoding.UTF8.GetBytes(
            """{"type":"identify","messageId":"m1","sourceId":"web","timestamp":"2026-01-02T03:04:05.678Z","receivedAt":"2026-01-02T03:04:05.678Z","userId":"u1","anonymousId":"a1","traits":{"trait_1":"new","plan":"pro","email":"ann@shop.example"}}"""));
        var identifiers = IdentifierExtractor.Extract(e, IdentityRules.Default);
        var stored = ProfileCodec.Encode(profile);
        var text = json.ToJsonString();
        Console.WriteLine($"{profile.Traits.Count} traits, {length:N0} bytes plain, {stored.Length:N0} bytes stored, {text.Length:N0} bytes as JSON");

        double Ours() => Measure(() =>
        {
            var document = ProfileCodec.Decode(id, stored);
            document.Apply(e, identifiers);
            return ProfileCodec.Encode(document).Length;
        });
        double Reference() => Measure(() =>
        {
            var document = JsonNode.Parse(text)!.AsObject();
            document["trait_1"] = "new";
            return document.ToJsonString().Length;
        });
        Ours();
        Reference();
        for (var round = 1; round <= 3; round++)
        {
            var (ours, reference) = (Ours(), Reference());
            Console.WriteLine($"round {round}: decode, fold, encode {ours:F0} us; JsonNode {reference:F0} us: {ours / reference:F2} times (target: within 1,000 us)");
        }

        return Task.CompletedTask;
    }

    private static double Measure(Func<int> work)
    {
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < Runs; i++)
            work();
        return clock.Elapsed.TotalMicroseconds / Runs;
    }
}
