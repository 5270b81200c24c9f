using Cdp.Exports;
using Microsoft.Extensions.Configuration;

namespace CdpFunctions;

/// <summary>The app's own settings, under <c>Cdp</c> (in the environment <c>Cdp__PublicUrl</c> and so on).</summary>
public sealed record CdpOptions
{
    /// <summary>Bytes of a batch request after decompression; 4,000 KB as RudderStack's clients need. The host takes 30 MB at most.</summary>
    public long MaxBatchBytes { get; init; } = 4_000 * 1024;

    /// <summary>Where clients reach this app, if that is not what requests say: behind a front door or a custom domain.</summary>
    public Uri? PublicUrl { get; init; }

    /// <summary>
    /// An API key with every scope, to make the first keys with after a deployment; a secret, best a Key Vault reference. Not set: only stored keys count.
    /// </summary>
    public string? AdminKey { get; init; }

    /// <summary>When all profiles are exported: six fields of a cron expression, seconds first, in UTC; <c>off</c>: only on demand.</summary>
    public string ProfilesExportSchedule { get; init; } = ProfilesExport.Default;

    /// <summary>Rows of a file of an export; for receivers that take less than a spreadsheet does.</summary>
    public int ExportRowsPerPart { get; init; } = (int)ExportLimits.Default.RowsPerPart;

    // As long as the keys that are made here: there must be nothing to guess.
    private const int ShortestAdminKey = 32;

    /// <exception cref="SettingException">A setting has a value that cannot be taken.</exception>
    public static CdpOptions Read(IConfiguration configuration)
    {
        var section = configuration.GetSection("Cdp");
        var options = new CdpOptions();
        if (section["MaxBatchBytes"] is { Length: > 0 } bytes)
        {
            options = long.TryParse(bytes, out var number) && number is > 0 and <= 30_000_000
                ? options with { MaxBatchBytes = number }
                : throw new SettingException("The setting Cdp__MaxBatchBytes is not a number of bytes from 1 to 30,000,000: correct it, or leave it out.");
        }

        if (section["PublicUrl"] is { Length: > 0 } url)
        {
            options = Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
                ? options with { PublicUrl = uri }
                : throw new SettingException("The setting Cdp__PublicUrl is not an absolute http or https URL: correct it, or leave it out.");
        }

        if (section["AdminKey"] is { Length: > 0 } key)
        {
            options = key.Length >= ShortestAdminKey
                ? options with { AdminKey = key }
                : throw new SettingException($"The setting Cdp__AdminKey is shorter than {ShortestAdminKey} characters: take a longer random one.");
        }

        if (section["ProfilesExportSchedule"] is { Length: > 0 } schedule)
        {
            options = schedule == ProfilesExport.Off || ExportSchedule.IsValid(schedule)
                ? options with { ProfilesExportSchedule = schedule }
                : throw new SettingException(
                    $"The setting Cdp__ProfilesExportSchedule is not a schedule of six fields, such as {ProfilesExport.Default}, nor {ProfilesExport.Off}: correct it, or leave it out.");
        }

        if (section["ExportRowsPerPart"] is { Length: > 0 } rows)
        {
            options = int.TryParse(rows, out var number) && number is >= 1_000 and <= 1_000_000
                ? options with { ExportRowsPerPart = number }
                : throw new SettingException("The setting Cdp__ExportRowsPerPart is not a number from 1,000 to 1,000,000: correct it, or leave it out.");
        }

        return options;
    }
}
