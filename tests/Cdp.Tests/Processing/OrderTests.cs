using Cdp.Tests.Storage;
using FsCheck;
using FsCheck.Fluent;
using Xunit.Abstractions;

namespace Cdp.Tests.Processing;

/// <summary>Any order, batching and repetition of a list of events gives the same profiles, up to their ids.</summary>
public sealed class OrderTests(ITestOutputHelper output)
{
    // Each person has one user id, so the partition of events to profiles is the connected components, whatever comes first.
    private static readonly Gen<string> SomeEvent =
        from person in Gen.Choose(1, 3)
        from device in Gen.Choose(1, 3)
        from kind in Gen.Choose(0, 5)
        from second in Gen.Choose(0, 20)
        from value in Gen.Choose(0, 9)
        select Event(person, device, kind, second, value);

    private static readonly Gen<Case> SomeCase =
        from events in SomeEvent.ListOf()
        from extra in Gen.Choose(0, 3)
        from seed in Gen.Choose(0, int.MaxValue)
        select new Case([.. events.Distinct(StringComparer.Ordinal)], extra, seed);

    [Fact]
    public void AnyOrderBatchingAndRepetition_SameProfiles()
    {
        var cases = 0;
        var merges = 0;
        Prop.ForAll(SomeCase.ToArbitrary(), c =>
        {
            if (c.Events.Count == 0)
                return true;
            cases++;
            var numbered = c.Events.Select((e, i) => e.Replace("MESSAGE", $"m{i}", StringComparison.Ordinal)).ToList();
            var expected = RunAsync([Batch(numbered)], seed: 1).GetAwaiter().GetResult();
            var random = new Random(c.Seed);
            var shuffled = numbered.Concat(numbered.Take(c.Repeated)).OrderBy(_ => random.Next()).ToList();
            var batches = new List<string>();
            for (var i = 0; i < shuffled.Count;)
            {
                var size = Math.Min(random.Next(1, 5), shuffled.Count - i);
                batches.Add(Batch(shuffled.GetRange(i, size)));
                i += size;
            }

            var actual = RunAsync(batches, c.Seed).GetAwaiter().GetResult();
            merges += actual.Merges;
            Assert.True(expected.State == actual.State, $"{string.Join('\n', batches)}\ngives\n{actual.State}\ninstead of\n{expected.State}");
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(150));
        output.WriteLine($"{cases} cases with {merges} merges");
        Assert.True(merges > 20, $"only {merges} merges came about");
    }

    /// <summary>Two workers take turns at random.</summary>
    private static async Task<(string State, int Merges)> RunAsync(List<string> batches, int seed)
    {
        var world = await World.CreateAsync(seed);
        var random = new Random(seed);
        var workers = new[] { world.NewWorker(), world.NewWorker() };
        var merges = 0;
        foreach (var batch in batches)
        {
            await world.SendAsync(batch);
            while (random.Next(3) > 0 && world.Next() is { } message)
            {
                merges += message.Queue == Cdp.Storage.QueueName.Merges ? 1 : 0;
                await workers[random.Next(2)].ProcessAsync(message);
                world.Store.Delete(message);
            }
        }

        merges += world.Store.Messages(Cdp.Storage.QueueName.Merges).Count;
        await world.DrainAsync();
        Assert.Empty(world.Errors);
        return (world.Describe(), merges);
    }

    private static string Event(int person, int device, int kind, int second, int value)
    {
        var time = $"2026-03-01T00:00:{second:D2}Z";
        var anonymous = $"\"anonymousId\":\"p{person}d{device}\"";
        var user = $"\"userId\":\"u{person}\"";
        var head = $"\"messageId\":\"MESSAGE\",\"timestamp\":\"{time}\"";
        return kind switch
        {
            0 => $$"""{"type":"page",{{head}},{{anonymous}}}""",
            1 => $$$"""{"type":"identify",{{{head}}},{{{anonymous}}},{{{user}}},"traits":{"n":{{{value}}},"t{{{value}}}":true}}""",
            2 => $$$"""{"type":"identify",{{{head}}},{{{anonymous}}},"traits":{"email":"p{{{person}}}@mail.test"}}""",
            3 => $$$"""{"type":"identify",{{{head}}},{{{user}}},"traits":{"n":null,"email":"P{{{person}}}@mail.test"}}""",
            4 => $$"""{"type":"track","event":"Ordered",{{head}},{{user}}}""",
            _ => $$"""{"type":"alias",{{head}},{{user}},"previousId":"p{{person}}d{{device}}"}""",
        };
    }

    private static string Batch(List<string> events) => $$"""{"batch":[{{string.Join(',', events)}}]}""";

    private sealed record Case(IReadOnlyList<string> Events, int Repeated, int Seed);
}
