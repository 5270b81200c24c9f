using System.Collections.Immutable;
using Cdp.Exports;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Exports;

/// <summary>A segment, its exports and a storage that fails where a test wants it to.</summary>
public sealed class ExportWorld
{
    public const string Segment = "vip";

    public static readonly string[] Fields = ["user_id", "email", "email[]", "phone", "traits.name", "traits.address", "traits.address.city", "traits.balance", "orders-90d"];

    /// <summary>Small, so that a few members make many parts.</summary>
    public static readonly ExportLimits Small = new() { RowsPerPart = 7, MembersPerStep = 10 };

    private static readonly Deadline Never = new(TimeProvider.System, TimeSpan.MaxValue);

    public ExportWorld(IRowStore? rows = null)
    {
        Store = new FakeStore(Time);
        var ids = new IdGenerator(Time);
        Exports = new ExportStore(rows ?? Store, ids, Time);
    }

    public SettableTime Time { get; } = new(DateTimeOffset.Parse("2026-03-01T06:00:00Z", System.Globalization.CultureInfo.InvariantCulture));

    public FakeStore Store { get; }

    public ListedMembers Members { get; } = new();

    public ExportStore Exports { get; init; }

    public static ImmutableArray<ExportColumn> Columns(params string[] fields) =>
        ExportColumn.Of(fields, IdentityRules.Default, static id => id == "orders-90d", out _);

    public SegmentExporter Exporter(ExportLimits? limits = null) => new(Exports, Store, Members, new IdGenerator(Time), Time, limits ?? Small);

    public async Task<ExportDocument> StartAsync(string mode = "full", string format = "csv", string compression = "gzip", string[]? fields = null) =>
        (await Exports.StartAsync(new ExportRequest(Segment, 4, format, mode, compression, Columns(fields ?? Fields)), null, default))!;

    /// <summary>Runs an export to its end and reads it.</summary>
    public async Task<ExportedFiles> RunAsync(ExportDocument export)
    {
        Assert.Equal(ExportProgress.Done, await Exporter().RunAsync(export.Id, Never, default));
        return Read(export)!;
    }

    public async Task<ExportedFiles> ExportAsync(string mode = "full", string format = "csv", string compression = "gzip", string[]? fields = null) =>
        await RunAsync(await StartAsync(mode, format, compression, fields));

    public Task<ExportProgress> WorkAsync(ExportDocument export) => Exporter().RunAsync(export.Id, Never, default);

    public ExportedFiles? Read(ExportDocument export) => ExportedFiles.Read(Store.Blobs(ContainerName.Exports), export.Folder);

    /// <summary>What of a member should stand in a CSV.</summary>
    public static Dictionary<string, string> Expected(string id, ExportMember? member, string? change = null)
    {
        var cells = new Dictionary<string, string>(StringComparer.Ordinal) { ["profileId"] = id };
        if (change is not null)
            cells["change"] = change;
        if (member is null)
            return cells;
        var number = int.Parse(id[4..], System.Globalization.CultureInfo.InvariantCulture);
        var version = member.Profile.Traits["name"].At.Milliseconds;
        cells["user_id"] = $"'=u{number}";
        if (number % 3 > 0)
            cells["email"] = number % 3 > 1 ? $"new{number}@shop.example" : $"old{number}@shop.example";
        if (number % 3 > 0)
            cells["email[]"] = number % 3 > 1 ? $"[\"new{number}@shop.example\",\"old{number}@shop.example\"]" : $"[\"old{number}@shop.example\"]";
        if (number % 4 == 0)
            cells["phone"] = $"+4915{number:D8}";
        cells["traits.name"] = $"{(number % 5 == 0 ? "'+" : "")}Ann \"{number}\", the\n{version}. é";
        cells["traits.address"] = $"{{\"city\":\"Bonn {number}\",\"tags\":[1,2]}}";
        cells["traits.address.city"] = $"Bonn {number}";
        if (number % 2 == 0)
            cells["traits.balance"] = (-1.50m * version).ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (number % 2 == 0)
            cells["orders-90d"] = "12345678901234567890.10";
        return cells;
    }
}
