using System.Globalization;
using System.Net;
using CdpFunctions.Local.Runtime;
using Microsoft.Azure.Functions.Worker;
using Xunit;

namespace CdpFunctions.Tests.Runtime;

public sealed class TimerListenerTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private readonly Journal _journal = new();
    private readonly ManualTime _time = new(Start);

    [Fact]
    public async Task Timer_FiresBySchedule_WithItsStatus()
    {
        await using var host = await StartAsync<Hourly>(("Schedule", "0 30 * * * *"));
        await AdvanceAsync("03:30:00");
        Assert.Equal("last 00:00:00 next 03:30:00 late False", await _journal.ReadAsync());
        await AdvanceAsync("04:30:00");
        Assert.Equal("last 03:30:00 next 04:30:00 late False", await _journal.ReadAsync());
        Assert.Equal(1, host.TimerCount);
    }

    [Theory]
    [InlineData("*/5 * * * *", "03:05:00", "03:10:00")]
    [InlineData("0 */5 * * * *", "03:05:00", "03:10:00")]
    [InlineData("00:10:00", "03:14:05", "03:24:05")]
    [InlineData("0 0 4 * * Fri", "04:00:00", null)]
    public void Schedule_Next(string expression, string first, string? second)
    {
        var schedule = TimerSchedule.Parse(expression, "F");
        var next = schedule.Next(Start);
        Assert.Equal(At(first), next);
        Assert.Equal(second is null ? At(first).AddDays(7) : At(second), schedule.Next(next));
    }

    [Theory]
    [InlineData("every day")]
    [InlineData("61 * * * * *")]
    [InlineData("-00:10:00")]
    public async Task Start_ScheduleMalformed_SaysWhose(string expression)
    {
        var error = await Assert.ThrowsAsync<LocalHostException>(() => StartAsync<Hourly>(("Schedule", expression)));
        Assert.Contains($"'{expression}' of the function Hourly", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Timer_MoreOftenThanEveryMinute_HasNoStatus()
    {
        await using var host = await StartAsync<Hourly>(("Schedule", "*/20 * * * * *"));
        await AdvanceAsync("03:04:20");
        Assert.Equal("no status", await _journal.ReadAsync());
    }

    [Fact]
    public async Task Timer_RunOnStartup_RunsAtOnceAndThenBySchedule()
    {
        await using var host = await StartAsync<AtStart>();
        Assert.Equal("run", await _journal.ReadAsync());
        await AdvanceAsync("04:00:00");
        Assert.Equal("run", await _journal.ReadAsync());
    }

    [Fact]
    public async Task Timer_FunctionThrows_ScheduleGoesOn()
    {
        await using var host = await StartAsync<Failing>();
        await AdvanceAsync("04:00:00");
        Assert.Equal("failing", await _journal.ReadAsync());
        await AdvanceAsync("05:00:00");
        Assert.Equal("failing", await _journal.ReadAsync());
    }

    [Fact]
    public async Task Timer_OccurrencesDuringARun_AreMadeUpForOnceAfterIt()
    {
        await using var host = await StartAsync<Slow>();
        await AdvanceAsync("04:00:00");
        Assert.Equal("begin", await _journal.ReadAsync());
        _time.AdvanceTo(At("06:30:00"));
        var byHand = host.RunFunctionAsync("Slow");
        Assert.True(_journal.IsEmpty);

        _journal.Gate.SetResult();
        await byHand;
        string[] entries = ["end", "begin", "end", "begin", "end"];
        foreach (var entry in entries) Assert.Equal(entry, await _journal.ReadAsync());
        await _time.WaitedForAsync(At("07:00:00"));
        Assert.True(_journal.IsEmpty);
    }

    [Fact]
    public async Task Timer_ScheduleMonthsAway_IsWaitedForInSteps()
    {
        await using var host = await StartAsync<Hourly>(("Schedule", "0 0 0 1 6 *"));
        for (var day = Start.AddDays(1); day < At("00:00:00").AddDays(150); day = day.AddDays(1))
        {
            await _time.WaitedForAsync(day);
            _time.AdvanceTo(day);
        }
        await _time.WaitedForAsync(new DateTimeOffset(2026, 6, 1, 0, 0, 0, TimeSpan.Zero));
        Assert.True(_journal.IsEmpty);
        _time.AdvanceTo(new DateTimeOffset(2026, 6, 1, 0, 0, 0, TimeSpan.Zero));
        Assert.Equal("last 00:00:00 next 00:00:00 late False", await _journal.ReadAsync());
    }

    [Fact]
    public async Task Stop_RunUnderWay_IsDrained()
    {
        var host = await StartAsync<Slow>();
        await AdvanceAsync("04:00:00");
        Assert.Equal("begin", await _journal.ReadAsync());
        var stop = host.StopAsync();
        Assert.False(stop.IsCompleted);
        _journal.Gate.SetResult();
        await stop;
        Assert.Equal("end", await _journal.ReadAsync());
        await host.DisposeAsync();
        _time.AdvanceTo(At("09:00:00"));
        Assert.True(_journal.IsEmpty);
    }

    [Fact]
    public async Task Admin_Timer_RunsNow()
    {
        await using var host = await StartAsync<AtStart>();
        Assert.Equal("run", await _journal.ReadAsync());
        using var client = new HttpClient();
        using var content = new StringContent("{}");
        using var response = await client.PostAsync(new Uri(host.Address, "admin/functions/AtStart"), content);
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        Assert.Equal("run", await _journal.ReadAsync());
    }

    private async Task AdvanceAsync(string time)
    {
        await _time.WaitedForAsync(At(time));
        _time.AdvanceTo(At(time));
    }

    private static DateTimeOffset At(string time) => new(Start.Date + TimeSpan.Parse(time, CultureInfo.InvariantCulture), TimeSpan.Zero);

    private Task<LocalHost> StartAsync<TFunctions>(params (string, string)[] settings) =>
        LocalHost.StartAsync(TestHost.Options<TFunctions>(_journal, settings) with { Time = _time });

    private sealed class Hourly(Journal journal)
    {
        [Function("Hourly")]
        public void Run([TimerTrigger("%Schedule%")] TimerInfo timer) => journal.Write(timer.ScheduleStatus is { } status
            ? string.Create(CultureInfo.InvariantCulture, $"last {status.Last:HH:mm:ss} next {status.Next:HH:mm:ss} late {timer.IsPastDue}")
            : "no status");
    }

    private sealed class AtStart(Journal journal)
    {
        [Function("AtStart")]
        public void Run([TimerTrigger("0 0 * * * *", RunOnStartup = true)] TimerInfo timer) => journal.Write("run");
    }

    private sealed class Failing(Journal journal)
    {
        [Function("Failing")]
        public void Run([TimerTrigger("0 0 * * * *")] TimerInfo timer)
        {
            journal.Write("failing");
            throw new InvalidOperationException("on purpose");
        }
    }

    private sealed class Slow(Journal journal)
    {
        [Function("Slow")]
        public async Task Run([TimerTrigger("0 0 * * * *")] TimerInfo timer)
        {
            journal.Write("begin");
            await journal.Gate.Task;
            journal.Write("end");
        }
    }
}
