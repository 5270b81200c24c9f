using System.Text;
using Cdp.ComputedTraits;
using Cdp.Events;
using Cdp.Segments;
using Xunit.Abstractions;

namespace Cdp.Tests.Segments;

/// <summary>
/// Random definitions over random timelines: folded in event by event in a random order of arrival, evaluated by timer when something is due, stored and read back now and
/// then, and compared at every step with an evaluator that reads the whole timeline again.
/// </summary>
public sealed class OracleTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(1, 1_000)]
    [InlineData(2, 1_000)]
    [InlineData(3, 1_000)]
    [InlineData(4, 1_000)]
    public async Task EveryStep_EqualsTheEvaluatorThatReadsTheTimelineAgain(int batch, int cases)
    {
        var (steps, timers, reads) = (0, 0, 0);
        for (var n = 0; n < cases; n++)
        {
            var seed = (batch * 1_000_000) + n;
            var run = new Run(seed);
            try
            {
                await run.PlayAsync();
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"Seed {seed}: {error.Message}\n{run.Describe()}", error);
            }

            steps += run.Steps;
            timers += run.Timers;
            reads += run.Profile.Reads;
        }

        output.WriteLine($"{cases} cases from seed {batch * 1_000_000}: {steps} steps compared, {timers} of them by timer, {reads} readings of a timeline");
        Assert.True(steps > cases * 5 && timers > cases && reads > cases / 10, "The cases are too tame to show anything.");
    }

    private sealed class Run
    {
        private readonly Random random;
        private readonly List<string> texts = [];
        private readonly List<SegmentDefinition> segments = [];
        private readonly List<ComputedTraitDefinition> computed = [];
        private readonly CompiledDefinitions definitions;
        private readonly Oracle oracle;
        private readonly List<(Event Event, long Arrival)> arrivals;
        private readonly List<Event> folded = [];
        private readonly Dictionary<string, bool?> members = new(StringComparer.Ordinal);
        private readonly Dictionary<string, string?> values = new(StringComparer.Ordinal);
        private readonly SegmentLimits limits;
        private ProfileSegments state;
        private string last = "";

        public Run(int seed)
        {
            random = new Random(seed);
            var generate = new RandomDefinitions(random);
            for (var n = random.Next(3); n > 0; n--)
            {
                texts.Add(generate.Computed($"c{computed.Count}"));
                computed.Add(Parsed(ComputedTraitDefinition.Parse(Encoding.UTF8.GetBytes(texts[^1]))));
            }

            for (var n = random.Next(1, 4); n > 0; n--)
            {
                texts.Add(generate.Segment($"s{segments.Count}", [.. segments.Select(s => s.Id)], [.. computed.Select(c => c.Id)]));
                segments.Add(Parsed(SegmentDefinition.Parse(Encoding.UTF8.GetBytes(texts[^1]))));
            }

            limits = SegmentLimits.Default with { MostContributions = random.Next(4) switch { 0 => 1, 1 => 2, 2 => 4, _ => 1000 } };
            // A list of values has at most as many as the limit, by definition.
            if (computed.Exists(c => c.Computation == Computation.UniqueList))
                limits = SegmentLimits.Default;
            definitions = CompiledDefinitions.Compile(1, segments, computed, limits);
            oracle = new Oracle(segments, computed);
            arrivals = [.. generate.Timeline(random.Next(1, random.Next(4) == 0 ? 60 : 14))
                .Select(e => (e, e.Timestamp.Milliseconds + (random.Next(3) == 0 ? random.NextInt64(3 * 86_400_000L) : random.Next(2) * 5)))
                .OrderBy(e => e.Item2)];
            state = ProfileSegments.New(definitions);
        }

        public int Steps { get; private set; }

        public int Timers { get; private set; }

        public SimulatedProfile Profile { get; } = new();

        public async Task PlayAsync()
        {
            long? due = null;
            for (var i = 0; i < arrivals.Count; i++)
            {
                var (e, arrival) = arrivals[i];
                due = await TimersAsync(due, arrival);
                var batch = new List<Event> { e };
                // Some commits have several events.
                while (i + 1 < arrivals.Count && random.Next(4) == 0)
                    batch.Add(arrivals[++i].Event);
                var now = Math.Max(arrivals[i].Arrival, arrival);
                foreach (var one in batch)
                {
                    state.Apply(one);
                    Profile.SetTraits(one);
                    folded.Add(one);
                }

                if (random.Next(5) == 0)
                    Profile.Stored.AddRange(batch);
                due = await EvaluateAsync(now, "event " + string.Join(", ", batch.Select(b => b.MessageId)));
                Profile.Stored.Clear();
                Profile.Stored.AddRange(folded);
                Restore();
            }

            await TimersAsync(due, arrivals[^1].Arrival + (20 * 86_400_000L));
        }

        public string Describe()
        {
            var text = new StringBuilder().AppendLine(last).AppendLine($"limit {limits.MostContributions}");
            foreach (var definition in texts)
                text.AppendLine(definition);
            foreach (var (e, arrival) in arrivals)
                text.AppendLine($"{new Instant(arrival)}: {Encoding.UTF8.GetString(e.Json.Span)}");
            return text.ToString();
        }

        private async Task<long?> TimersAsync(long? due, long until)
        {
            for (var n = 0; due <= until && n < 200; n++)
            {
                await LookBetweenAsync(due.Value);
                Timers++;
                due = await EvaluateAsync(due.Value, "timer");
                Restore();
            }

            if (due is null || due > until)
                await LookBetweenAsync(until);
            return due;
        }

        private long before;

        /// <summary>Nothing changes before it is due; and asking in between gives what holds.</summary>
        private async Task LookBetweenAsync(long until)
        {
            if (folded.Count == 0 || until - before < 2)
                return;
            var at = random.Next(3) == 0 ? until - 1 : before + random.NextInt64(until - before);
            last = $"between, at {new Instant(at)}";
            Compare(at);
            var copy = ProfileSegments.Open(definitions, state.Encode());
            var evaluation = await copy.EvaluateAsync(new Instant(at), Profile, Profile, everything: true);
            foreach (var result in evaluation.Segments)
                Assert.Equal((result.SegmentId, (bool?)oracle.Member(result.SegmentId, folded, at)), (result.SegmentId, result.Member));
            if (evaluation.Due is { } due)
                Assert.True(due.Milliseconds > at, "due is not later");
        }

        private async Task<long?> EvaluateAsync(long now, string what)
        {
            last = $"{what}, at {new Instant(now)}";
            var evaluation = await state.EvaluateAsync(new Instant(now), Profile, Profile);
            foreach (var result in evaluation.Segments)
                members[result.SegmentId] = result.Member;
            foreach (var result in evaluation.Computed)
                values[result.TraitId] = result.Json;
            Assert.False(evaluation.NeedsTimeline);
            before = evaluation.At.Milliseconds;
            Compare(now);
            Steps++;
            if (evaluation.Due is { } due)
                Assert.True(due > evaluation.At, "due is not later");
            Assert.True(evaluation.MembershipDue is null || evaluation.MembershipDue >= evaluation.Due);
            return evaluation.Due?.Milliseconds;
        }

        private void Compare(long now)
        {
            foreach (var segment in segments)
                Assert.Equal((segment.Id, (bool?)oracle.Member(segment.Id, folded, now)), (segment.Id, members[segment.Id]));
            foreach (var trait in computed)
                Assert.Equal((trait.Id, oracle.Computed(trait.Id, folded, now)), (trait.Id, values[trait.Id]));
        }

        private void Restore()
        {
            if (random.Next(2) == 0)
                return;
            var bytes = state.Encode();
            state = ProfileSegments.Open(definitions, bytes);
            Assert.Equal(bytes, state.Encode());
        }

        private static T Parsed<T>(Cdp.Segments.Language.DefinitionResult<T> result)
            where T : class =>
            result.Definition ?? throw new InvalidOperationException(string.Join("; ", result.Errors.Select(e => $"{e.Path}: {e.Reason}")));
    }
}
