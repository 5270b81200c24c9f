using System.Text;
using System.Text.Json;
using Cdp.Collect;
using Cdp.Events;
using Cdp.Problems;
using FsCheck;
using FsCheck.Fluent;

namespace Cdp.Tests.Collect;

/// <summary>What holds whatever is sent.</summary>
public sealed class CollectorProperties
{
    private static readonly CollectorHarness Harness = new();

    [Fact]
    public void Arbitrary_bytes_are_taken_or_refused_and_never_anything_else() =>
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes => IsTakenOrRefused(bytes, EventType.Track) && IsTakenOrRefused(bytes, null)).QuickCheckThrowOnFailure();

    [Fact]
    public void A_body_with_a_byte_changed_is_taken_or_refused() =>
        Prop.ForAll(Seeds(), seed =>
        {
            var random = new Random(seed);
            var body = Encoding.UTF8.GetBytes(RandomJson.Event(random, newLines: true).Text);
            var batch = Encoding.UTF8.GetBytes($$"""{"batch":[{{RandomJson.Event(random, newLines: true).Text}}],"context":{{RandomJson.Object(random, 2)}}}""");
            body[random.Next(body.Length)] = (byte)random.Next(256);
            batch[random.Next(batch.Length)] = (byte)random.Next(256);
            return IsTakenOrRefused(body, EventType.Track) && IsTakenOrRefused(batch, null);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));

    [Fact]
    public void What_is_taken_is_stored_with_each_member_byte_for_byte() =>
        Prop.ForAll(Seeds(), seed =>
        {
            var (text, members) = RandomJson.Event(new Random(seed), newLines: false);
            var stored = Store(Encoding.UTF8.GetBytes(text), EventType.Track);
            return members.TrueForAll(member => stored.Contains("," + member, StringComparison.Ordinal));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public void What_is_taken_is_one_line_of_JSON_with_the_senders_values() =>
        Prop.ForAll(Seeds(), seed =>
        {
            // A lone surrogate has no value to compare.
            var text = RandomJson.Event(new Random(seed), newLines: true).Text
                .Replace("\\ud800", "x", StringComparison.Ordinal).Replace("\\uDC00", "y", StringComparison.Ordinal);
            var stored = Store(Encoding.UTF8.GetBytes(text), EventType.Track);
            using var sent = JsonDocument.Parse(text);
            using var kept = JsonDocument.Parse(stored);
            return !stored.AsSpan().ContainsAny('\r', '\n')
                && sent.RootElement.EnumerateObject().All(p => JsonElement.DeepEquals(p.Value, kept.RootElement.GetProperty(p.Name)))
                && Event.Parse(Encoding.UTF8.GetBytes(stored)).UserId == "u1";
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public void Messages_round_trip() =>
        Prop.ForAll(Seeds(), seed =>
        {
            var random = new Random(seed);
            var events = Enumerable.Range(0, random.Next(1, 40))
                .Select(_ => new CollectedEvent(Encoding.UTF8.GetBytes(RandomJson.Event(random, newLines: false).Text), random.Next(2) == 0)).ToList();
            var message = EventMessageCodec.EncodeAsync(events, Harness.Blobs, "b" + seed, CancellationToken.None).GetAwaiter().GetResult();
            var decoded = EventMessageCodec.DecodeAsync(message, Harness.Blobs, CancellationToken.None).GetAwaiter().GetResult();
            return events.Select(e => (Convert.ToHexString(e.Json.Span), e.Historical)).SequenceEqual(decoded.Select(e => (Convert.ToHexString(e.Json.Span), e.Historical)));
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Decoding_any_text_gives_events_or_a_FormatException() =>
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes =>
        {
            foreach (var message in new[] { "1:" + Convert.ToBase64String(bytes), Encoding.Latin1.GetString(bytes), "1:" + Encoding.Latin1.GetString(bytes) })
            {
                try
                {
                    EventMessageCodec.DecodeAsync(message, Harness.Blobs, CancellationToken.None).GetAwaiter().GetResult();
                }
                catch (FormatException)
                {
                    // The one way to refuse.
                }
            }

            return true;
        }).QuickCheckThrowOnFailure();

    private static Arbitrary<int> Seeds() => Gen.Choose(0, int.MaxValue).ToArbitrary();

    private static string Store(byte[] body, EventType? type)
    {
        var harness = new CollectorHarness();
        harness.CollectAsync(body, type, address: "1.2.3.4", userAgent: "UA").GetAwaiter().GetResult();
        return Assert.Single(harness.StoredAsync().GetAwaiter().GetResult());
    }

    private static bool IsTakenOrRefused(byte[] body, EventType? type)
    {
        var harness = new CollectorHarness();
        try
        {
            harness.CollectAsync(body, type).GetAwaiter().GetResult();
            // What was taken has to be readable.
            harness.StoredAsync().GetAwaiter().GetResult().ForEach(e => Event.Parse(Encoding.UTF8.GetBytes(e)));
            return true;
        }
        catch (ProblemException)
        {
            return harness.Queue.Messages.Count == 0;
        }
    }
}

/// <summary>JSON in all the spellings that the grammar allows.</summary>
internal static class RandomJson
{
    private static readonly string[] Strings = ["", "x", "é", "\\u0041", "\\n", "\\\\", "\\/", "😀", "\\ud83d\\ude00", "\\ud800", "\\u0000", "/\\\"#?%", "\\uDC00\\ud800", "\uFFFE"];
    private static readonly string[] Numbers = ["0", "-0", "1.50", "1e5", "-2.5E-10", "123456789012345678901234567890", "1E+400"];
    private static readonly string[] Spaces = ["", "", "", " ", "\t", "  "];
    private static readonly string[] Lines = ["", "", " ", "\n", "\r\n", "\t"];

    /// <summary>A track call of u1 and its members beside <c>messageId</c>, as they are spelled.</summary>
    public static (string Text, List<string> Members) Event(Random random, bool newLines)
    {
        var members = new List<string> { "\"userId\":\"u1\"", "\"event\" : \"Done\"" };
        for (var i = random.Next(6); i > 0; i--)
            members.Add($"\"n{i}\"{Space(random, newLines)}:{Space(random, newLines)}{Value(random, 4, newLines)}");
        if (random.Next(2) == 0)
            members.Add($"\"properties\":{Object(random, 3, newLines)}");
        if (random.Next(2) == 0)
            members.Add($"\"traits\":{Object(random, 3, newLines)}");
        var shuffled = members.ToArray();
        random.Shuffle(shuffled);
        var text = "{" + string.Join(',', shuffled.Select(m => Space(random, newLines) + m + Space(random, newLines))) + "}";
        return (text, members);
    }

    public static string Object(Random random, int depth, bool newLines = false) =>
        "{" + string.Join(',', Enumerable.Range(0, random.Next(5)).Select(i => $"{Space(random, newLines)}\"k{i}\"{Space(random, newLines)}:{Value(random, depth - 1, newLines)}")) + Space(random, newLines) + "}";

    private static string Value(Random random, int depth, bool newLines) => random.Next(depth <= 0 ? 4 : 6) switch
    {
        0 => '"' + string.Concat(Enumerable.Range(0, random.Next(4)).Select(_ => Strings[random.Next(Strings.Length)])) + '"',
        1 => Numbers[random.Next(Numbers.Length)],
        2 => random.Next(2) == 0 ? "true" : "false",
        3 => "null",
        4 => Object(random, depth, newLines),
        _ => "[" + string.Join(',', Enumerable.Range(0, random.Next(4)).Select(_ => Space(random, newLines) + Value(random, depth - 1, newLines))) + "]",
    };

    private static string Space(Random random, bool newLines)
    {
        var spaces = newLines ? Lines : Spaces;
        return spaces[random.Next(spaces.Length)];
    }
}
